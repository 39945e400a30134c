"""HTTP ingestion's way into the log: what an agent does for its network, for whoever sends events to the service."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from agents.actors import RedisActors
from agents.memory import RecentMemory
from agents.protocol import Record
from agents.published import Published
from agents.publisher import Publisher
from agents.routes import Routes
from agents.stamps import Stamper
from agents.ticks import Ticker
from agents.withdrawals import resolve
from pipeline.clock import Clock, system_clock
from pipeline.errors import BrokerUnavailableError
from pipeline.settings import Settings
from schemas import Engagement

SOURCE: Final = "http"
"""The name that its ticks carry."""
_ANSWER_S: Final = 10.0
"""A sender waits so long for the broker, and is then told to try again with the same ids."""
_BEAT_S: Final = 1.0


class Ingest:
    """
    Stamps, publishes and waits for the acknowledgement.

    Once something has come, time passes by its ticks, as with every live agent.
    """

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        self._publisher = Publisher(settings, clock=clock)
        self._stamper = Stamper(RedisActors(settings), clock=clock)
        self._memory = RecentMemory()
        self._published = Published(settings)
        self._routes = Routes(settings)
        self._ticker = Ticker(SOURCE, clock=clock)
        self._clock = clock
        self._broker = settings.broker
        self._starting: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background; the broker may be away."""
        self._starting = asyncio.create_task(self._publisher.start())

    async def publish(self, events: Sequence[Engagement]) -> None:
        """
        Bring events into the log; an undo repeats the stamps of what it withdraws, where that is known.

        Raises:
            BrokerUnavailableError: There is no acknowledgement. They may still arrive: sent again, they count once.
            FatalError: The broker refuses them for good.
        """
        assert self._starting is not None
        try:
            async with asyncio.timeout(_ANSWER_S):
                await asyncio.shield(self._starting)
                records = await self._resolved(events)
                await self._publisher.settled(await self._publisher.publish(self._routes.route(records)))
        except TimeoutError as exc:
            raise BrokerUnavailableError(f"the broker at {self._broker} does not acknowledge") from exc
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())

    async def _resolved(self, events: Sequence[Engagement]) -> list[Record]:
        stamped = await self._stamper.stamp(events)
        # What another process took in, or this one before it was restarted.
        for event in await self._published.recall([event.id for event in events if event.undo]):
            self._memory.remember(event)
        records = resolve(stamped, self._memory, self._clock()).records
        # Before they are published: what is withdrawn at once is known by then.
        await self._published.keep(each for each in records if isinstance(each, Engagement) and not each.undo)
        return records

    async def close(self) -> None:
        """Disconnect; whoever still waits for an acknowledgement gets none."""
        for task in (self._starting, self._beating):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._publisher.stop()
        await self._stamper.close()
        await self._published.close()

    async def _beat(self) -> None:
        while True:
            tick = self._ticker.due(self._clock())
            if tick is not None:
                await self._publisher.publish(self._routes.tick(tick))
            await asyncio.sleep(_BEAT_S)
