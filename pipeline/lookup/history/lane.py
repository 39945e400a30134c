"""The lane of history: behind the scores, in larger steps."""

from typing import Final

from pipeline.lookup.history.outbox import Outbox
from pipeline.lookup.history.outlets import HISTORY_POINTS, SCORE_POINTS
from pipeline.lookup.sink.chunks import Chunk, Tally
from pipeline.lookup.sink.lane import Lane
from pipeline.lookup.sink.source import Source
from pipeline.lookup.sink.writer import Writer
from pipeline.metrics import HISTORY_STORED

OUTLETS: Final = (SCORE_POINTS, HISTORY_POINTS)

_LINGER_S: Final = 1.0
"""Least time between two fetches: of a busy user's documents in it, one or two are points."""


class HistoryLane(Lane):
    """Keeps the score of each user over time, and the log of its hours and days."""

    def __init__(self, source: Source, writer: Writer, outbox: Outbox, behind: Lane) -> None:
        super().__init__(source, writer, behind=behind, linger_s=_LINGER_S)
        self._outbox = outbox

    async def _after_writing(self) -> None:
        await self._outbox.empty()

    def _count(self, chunk: Chunk, fates: bytes) -> None:
        HISTORY_STORED.labels(chunk.outlet.topic).inc(fates.count(b"1"))

    def _report(self, tally: Tally) -> None:
        """Leave the records of `clout.scores` to the lane that writes them: it tells which it refused."""
