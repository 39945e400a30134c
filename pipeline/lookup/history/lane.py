"""The lane of history: behind the scores, in larger steps."""

from typing import Final

from pipeline.lookup.history.outbox import Outbox
from pipeline.lookup.sink.chunks import Chunk, Tally
from pipeline.lookup.sink.lane import Lane
from pipeline.lookup.sink.source import Source
from pipeline.lookup.sink.writer import Writer
from pipeline.metrics import HISTORY_STORED

_LINGER_S: Final = 1.0
"""Least time between two fetches: of a busy user's documents in it, one or two are points."""
_BUSY_LINGER_S: Final = 5.0
"""The same after a step of `_BUSY` points, of which most would be replaced within the minute."""
_BUSY: Final = 1_000


class HistoryLane(Lane):
    """Keeps the score of each user over time, and the log of its hours and days."""

    def __init__(self, source: Source, writer: Writer, outbox: Outbox, behind: Lane) -> None:
        super().__init__(source, writer, behind=behind, linger_s=_LINGER_S)
        self._outbox = outbox
        self._written = 0

    async def _after_writing(self) -> None:
        await self._outbox.empty()

    def _count(self, chunk: Chunk, fates: bytes) -> None:
        self._written += len(fates)
        HISTORY_STORED.labels(chunk.outlet.topic).inc(fates.count(b"1"))

    def _linger(self) -> float:
        written, self._written = self._written, 0
        return _BUSY_LINGER_S if written >= _BUSY else _LINGER_S

    def _report(self, tally: Tally) -> None:
        """Leave the records of `clout.scores` to the lane that writes them: it tells which it refused."""
