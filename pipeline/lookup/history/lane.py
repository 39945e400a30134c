"""The lane of history: behind the scores, in larger steps."""

from typing import Final

from redis.asyncio import Redis

from pipeline.lookup.history.closing import HistoryLog, closed_by, forgotten
from pipeline.lookup.history.outlets import HISTORY_POINTS, SCORE_POINTS
from pipeline.lookup.sink.chunks import Chunk, Tally
from pipeline.lookup.sink.lane import Lane
from pipeline.lookup.sink.source import Source
from pipeline.lookup.sink.writer import Writer
from pipeline.metrics import HISTORY_PUBLISHED, HISTORY_STORED

OUTLETS: Final = (SCORE_POINTS, HISTORY_POINTS)

LINGER_S: Final = 1.0
"""Least time between two fetches: of a busy user's documents in it, one or two are points."""


class HistoryLane(Lane):
    """
    Keeps the score of each user over time.

    A point that closes an hour or a day is in `clout.history`, acknowledged, before the one that follows it is in
    Redis: so none is lost in a crash, and one that is written again says the same.
    """

    def __init__(self, source: Source, writer: Writer, redis: Redis, log: HistoryLog, behind: Lane) -> None:
        super().__init__(source, writer, behind=behind, linger_s=LINGER_S)
        self._redis = redis
        self._log = log

    async def _before(self, chunk: Chunk) -> None:
        if chunk.outlet is SCORE_POINTS:
            points = await closed_by(self._redis, chunk.writes)
            await self._log.write(points, forgotten(chunk.writes))
            HISTORY_PUBLISHED.inc(len(points))

    def _count(self, chunk: Chunk, fates: bytes) -> None:
        HISTORY_STORED.labels(chunk.outlet.topic).inc(fates.count(b"1"))

    def _report(self, tally: Tally) -> None:
        """Leave the records of `clout.scores` to the lane that writes them: it tells which it refused."""
