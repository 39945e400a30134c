"""A lane: carries the records of some outlets from Kafka to Redis, apart from other lanes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

import stamina
from aiokafka import TopicPartition

from pipeline.clock import Clock, system_clock
from pipeline.logs import get_logger
from pipeline.lookup.connection import AWAY
from pipeline.lookup.sink.chunks import Chunk, Heard, Tally, chunks
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.source import Source
from pipeline.lookup.sink.writer import LostError, Writer
from pipeline.metrics import SCORE_AGE, SCORES_REFUSED, SCORES_STALE, SCORES_STORED, SCORES_SUPERSEDED

log = get_logger(__name__)

_T = TypeVar("_T")

_FETCH_MS: Final = 500
"""How long a fetch may find nothing before Redis is looked after; what arrives is taken at once."""
_LINGER_S: Final = 0.005
"""Least time between two fetches, so that a busy topic is not read record by record."""
_CHECK_S: Final = 1.0
"""How often Redis is asked whether it still has everything, when nothing is written."""
_YIELD_S: Final = 0.05
"""The longest that one call waits for a lane that goes first: it must get on, however busy the other is."""


class Lane:
    """
    Reads a source and writes it, until it is cancelled.

    Documents and offsets are written in one step, older versions change nothing, and what Redis loses is written again:
    so it may be stopped, killed or run twice at any moment.

    Args:
        source: What is read.
        writer: Where it goes.
        behind: A lane that goes first whenever it has something to write.
        linger_s: Least time between two fetches, except while Redis is being filled.
        heard: Is told of all that is read.
        clock: Unix ms.
    """

    def __init__(
        self,
        source: Source,
        writer: Writer,
        behind: "Lane | None" = None,
        linger_s: float = _LINGER_S,
        clock: Clock = system_clock,
        heard: Heard | None = None,
    ) -> None:
        self._source = source
        self._writer = writer
        self._behind = behind
        self._linger_s = linger_s
        self._clock = clock
        self._heard = heard
        self._ends: dict[TopicPartition, int] | None = None
        self._check_at = 0.0
        self.is_idle = asyncio.Event()
        """Set while it has nothing to write."""
        self.is_ready = False
        """Whether Redis once had all that the log had."""

    async def run(self) -> None:
        """Carry records until cancelled; both sides may be away for as long as they like."""
        await self._source.start()
        while True:
            await self._resume()
            with suppress(LostError):
                while True:
                    await self._step()
            log.warning("Redis lost what was written to it: writing it again")

    async def _resume(self) -> None:
        positions = await _until_redis_answers(lambda: self._writer.positions(self._source.fields()))
        self._source.seek(positions)
        self._ends = None
        if self._writer.rebuilding:
            log.info("filling Redis from the topics", positions=sum(positions.values()))

    async def _step(self) -> None:
        self.is_idle.set()
        batches = await self._source.fetch(_FETCH_MS)
        began = time.monotonic()
        self.is_idle.clear()
        await self._note_rewound()
        tally = Tally()
        await self._write(chunks(batches, tally, self._heard))
        self._report(tally)
        await _until_redis_answers(self._after_writing)
        await self._finish_rebuild()
        await self._check()
        self.is_idle.set()
        linger_s = 0.0 if self._writer.rebuilding else self._linger()
        await asyncio.sleep(max(0.0, began + linger_s - time.monotonic()))

    def _linger(self) -> float:
        """Return the least time between this fetch and the next, in seconds."""
        return self._linger_s

    async def _note_rewound(self) -> None:
        for name, position in self._source.rewound().items():
            log.warning("the log begins anew: reading it from there", partition=name, position=position)
            await _until_redis_answers(partial(self._writer.rewind, name, position))

    async def _write(self, planned: Iterator[Chunk]) -> None:
        """Write chunks in order; while Redis works on one, the next is prepared."""
        writing: asyncio.Task[None] | None = None
        try:
            for chunk in planned:
                if writing is not None:
                    await writing
                await self._give_way()
                writing = asyncio.create_task(self._write_chunk(chunk))
                # Let the task send its call before the loop is kept busy with the next chunk.
                await asyncio.sleep(0)
            if writing is not None:
                await writing
        finally:
            if writing is not None and not writing.done():
                writing.cancel()

    async def _give_way(self) -> None:
        if self._behind is not None and not self._behind.is_idle.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_YIELD_S):
                    await self._behind.is_idle.wait()

    async def _write_chunk(self, chunk: Chunk) -> None:
        self._count(chunk, await _until_redis_answers(lambda: self._writer.write(chunk)))

    def _count(self, chunk: Chunk, fates: bytes) -> None:
        if chunk.outlet is not SCORES:
            return
        stored = fates.count(b"1")
        SCORES_STORED.inc(stored)
        SCORES_STALE.inc(len(fates) - stored)
        if self._writer.rebuilding:
            return
        now = self._clock()
        for write, fate in zip(chunk.writes, fates, strict=True):
            if fate == ord("1") and write.time:
                SCORE_AGE.observe(max(0, now - write.time) / 1000)

    async def _after_writing(self) -> None:
        """Do what else must be done after each fetch, also an empty one; after a failure it is done again."""

    def _report(self, tally: Tally) -> None:
        SCORES_SUPERSEDED.inc(tally.superseded)
        for topic, partition, offset, reason in tally.refused:
            SCORES_REFUSED.inc()
            log.warning("record left out", topic=topic, partition=partition, offset=offset, reason=reason)

    async def _finish_rebuild(self) -> None:
        if not self._writer.rebuilding:
            return
        self._ends = self._ends or self._source.ends()
        if self._ends is not None and self._source.reached(self._ends):
            await _until_redis_answers(self._writer.finish_rebuild)
            log.info("Redis is filled")

    async def _check(self) -> None:
        """Once a second, see that Redis has everything, and note there for readers that it has."""
        if time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + _CHECK_S
        await _until_redis_answers(lambda: self._writer.check(self._source.ranges()))
        caught_up_at = self._source.caught_up_at(self._clock())
        if self._writer.rebuilding or caught_up_at is None:
            return
        self.is_ready = True
        await _until_redis_answers(lambda: self._writer.mark_caught_up(caught_up_at))


async def _until_redis_answers(action: Callable[[], Awaitable[_T]]) -> _T:
    """Do something again and again while Redis is away; the usual case goes without what that takes."""
    with suppress(*AWAY):
        return await action()
    return await stamina.retry(on=AWAY, attempts=None, timeout=None, wait_initial=0.1, wait_max=1.0)(_awaited)(action)


async def _awaited(action: Callable[[], Awaitable[_T]]) -> _T:
    return await action()
