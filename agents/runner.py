"""The runner: takes what an agent reads through stamps and publisher into the log, and accounts for it."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from agents.cursor import CursorFile, Progress
from agents.display import display
from agents.memory import Memory, RecentMemory
from agents.protocol import Agent, Batch, Position
from agents.publisher import Publisher
from agents.reading import read
from agents.routes import Routes
from agents.stamps import Stamper
from agents.tally import Tally
from agents.ticks import Ticker
from agents.withdrawals import Resolved, resolve
from pipeline.clock import Clock, system_clock
from pipeline.errors import FatalError
from pipeline.logs import get_logger
from pipeline.metrics import AGENT_PUBLISHED, AGENT_RECEIVED, AGENT_SKIPPED, AGENT_SOURCE_LAG, AGENT_UNDONE
from pipeline.settings import Settings
from schemas import Engagement, Post

_LAST_FLUSH_S: Final = 5.0
"""A stop waits so long for acknowledgements: within the 10 s that a role may take to end."""
_BEAT_S: Final = 1.0
"""How often the cursor is saved, the display refreshed and the live clock looked at."""

log = get_logger(__name__)


class Runner:
    """
    Runs one agent until its source ends or a signal stops it.

    What was read is either acknowledged, skipped with a reason, or reported as not acknowledged.
    """

    def __init__(
        self,
        agent: Agent,
        settings: Settings,
        publisher: Publisher,
        stamper: Stamper,
        *,
        cursor: CursorFile | None = None,
        start: Position | None = None,
        memory: Memory | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """
        Bring an agent together with what it needs.

        Args:
            agent: Reads the source.
            settings: The deployment.
            publisher: Not yet started; the runner starts and stops it.
            stamper: The runner closes it.
            cursor: Where positions are kept; None keeps none.
            start: The position to go on from; None is the source's own beginning.
            memory: What deletions can withdraw; recent records in this process by default. The runner closes it.
            clock: The wall clock, Unix ms.
        """
        self._agent = agent
        self._publisher = publisher
        self._stamper = stamper
        self._cursor = cursor
        self._start = start
        self._saved = start
        self._memory: Memory = RecentMemory() if memory is None else memory
        self._clock = clock
        self._routes = Routes(settings)
        self._ticker = Ticker(agent.name, clock=clock)
        self._progress = Progress()
        self._tally = Tally()
        self._is_stopped = False
        self._is_begun = not agent.live
        publisher.on_acknowledged = self._progress.settle

    async def run(self) -> Tally:
        """
        Run until the end of the source, SIGTERM or SIGINT; the latter are a regular end.

        Raises:
            PipelineError: The source is not what it should be, or the broker refuses something for good.
                What was accepted before has been acknowledged or reported.
        """
        work = asyncio.create_task(self._work())

        def stop() -> None:
            self._is_stopped = True
            work.cancel()

        try:
            with _on_signals(stop):
                await work
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
        finally:
            await self._end()
        return self._tally

    @property
    def tally(self) -> Tally:
        """The numbers so far."""
        return self._tally

    async def _work(self) -> None:
        await self._publisher.start()
        beat = asyncio.create_task(self._beat())
        try:
            async with aclosing(read(self._agent, self._start)) as batches:
                async for batch in batches:
                    await self._take(batch)
                    if self._is_stopped:
                        # Python 3.11's wait_for, deep in a client, forgets a cancellation that comes in the same
                        # moment as what it waits for (CPython issue 81839).
                        raise asyncio.CancelledError
            await self._finish()
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat

    async def _take(self, batch: Batch) -> None:
        if not self._is_begun:
            self._say_first(batch)
        resolved = resolve(await self._stamper.stamp(batch.items), self._memory, batch.time or self._clock())
        for reason, count in resolved.skipped.items():
            batch.skip(reason, count)
        receipt = await self._publisher.publish(self._routes.route(resolved.records))
        self._progress.add(receipt, batch)
        self._count(batch, resolved)
        if receipt.acknowledged:
            self._progress.settle()
        if batch.time is not None:
            await self._tick(batch.time)

    def _say_first(self, batch: Batch) -> None:
        """Say where a backfill of what was before this run ends: exactly at the first thing that happened in it."""
        times = [item.time for item in batch.items if isinstance(item, Engagement | Post) and not item.undo]
        if times:
            self._is_begun = True
            moment = datetime.fromtimestamp(min(times) / 1000, UTC).isoformat(timespec="milliseconds")
            log.info("the first event of this run", agent=self._agent.name, time=moment)

    def _count(self, batch: Batch, resolved: Resolved) -> None:
        name = self._agent.name
        self._tally.read += batch.read
        self._tally.skipped.update(batch.skipped)
        self._tally.undone += resolved.undone
        AGENT_RECEIVED.labels(name).inc(batch.read)
        AGENT_UNDONE.labels(name).inc(resolved.undone)
        for reason, count in batch.skipped.items():
            AGENT_SKIPPED.labels(name, reason).inc(count)
        if batch.time is not None and self._agent.live:
            AGENT_SOURCE_LAG.labels(name).set(max(0, self._clock() - batch.time) / 1000)

    async def _tick(self, time: int) -> None:
        tick = self._ticker.due(self._clock() if self._agent.live else time)
        if tick is not None:
            await self._publisher.publish(self._routes.tick(tick))

    async def _beat(self) -> None:
        """Once a second: the display, the cursor, and the ticks of a live source where nothing happens."""
        with display(self._agent.name) as shown:
            while True:
                await asyncio.sleep(_BEAT_S)
                self._settle()
                shown.show(self._tally.read, self._agent.share())
                if self._agent.live:
                    await self._tick(self._clock())

    def _settle(self) -> None:
        for topic, count in self._publisher.counts.items():
            AGENT_PUBLISHED.labels(self._agent.name, topic).inc(count - self._tally.records[topic])
            self._tally.records[topic] = count
        self._progress.settle()
        # In this order: a cursor must never be ahead of the memory of what lies before it.
        self._memory.save(self._progress.batches)
        position = self._progress.position
        if self._cursor is not None and position is not None and position != self._saved:
            self._cursor.save(position)
            self._saved = position

    async def _finish(self) -> None:
        tick = self._ticker.last()
        if tick is not None:
            await self._publisher.publish(self._routes.tick(tick))
        await self._publisher.flush()

    async def _end(self) -> None:
        """Wait a little for what is under way, then account for it."""
        try:
            with suppress(TimeoutError, FatalError):
                await asyncio.wait_for(self._publisher.flush(), _LAST_FLUSH_S)
            self._settle()
            self._account()
        finally:
            await self._publisher.stop()
            await self._stamper.close()
            self._memory.close()

    def _account(self) -> None:
        tally = self._tally
        tally.unacknowledged = tally.read - tally.skipped.total() - self._progress.settled
        if tally.unacknowledged:
            log.warning(
                "the broker has not acknowledged everything",
                hint="the next run begins before them" if self._cursor else "they are lost",
                events=tally.unacknowledged,
                records=self._publisher.unacknowledged,
            )


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
