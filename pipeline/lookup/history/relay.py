"""
The relay: what the lane of scores has read is handed over, so that history need not read the topic a second time.

It keeps no promise. It has all that a partition brought from one offset to another, of each user and minute the newest;
whoever stands outside of that, after a crash or far behind, reads the topic.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pipeline.lookup.history.outlets import SCORE_POINTS, point_write
from pipeline.lookup.history.series import MINUTE_MS
from pipeline.lookup.sink.chunks import Batch, Tally, replaces
from pipeline.lookup.sink.outlet import Write
from pipeline.lookup.sink.scores import SCORES

_MOST: Final = 200_000
"""Points kept of all partitions for history that lags, 400 bytes each; beyond, it reads the topic."""
_NO_MINUTE: Final = -1
"""Of a tombstone."""


class Point(msgspec.Struct, gc=False):
    """What history keeps of a record of `clout.scores`; version None: a tombstone."""

    offset: int
    user: str
    version: int | None
    as_of: int
    score: float


@dataclass(frozen=True, slots=True)
class HandedBatch(Batch):
    """What a partition brought up to `end`, without the records themselves."""

    points: Sequence[Point] = ()
    next: int = 0

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.next

    def writes(self, _tally: Tally) -> Iterator[tuple[int, Write]]:
        """Yield what is written; the lane of scores has told what does not decode."""
        for point in self.points:
            yield point.offset, point_write(point.user, point.version, point.as_of, point.score)


@dataclass(slots=True)
class _Held:
    begin: int
    end: int
    points: dict[tuple[str, int], Point] = field(default_factory=dict)


class Relay:
    """Between the lane of scores, which hands over what it reads, and that of history, which takes it."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._count = 0

    def hand(self, batch: Batch, writes: Sequence[tuple[int, Write]]) -> None:
        """Keep what the lane of scores has read, before it is written; other topics are none of its business."""
        if batch.outlet is not SCORES:
            return
        held = self._held.get(batch.partition)
        if held is None or held.end != batch.position:
            held = self._hold_none(batch.partition, batch.position)
        held.end = batch.end
        points = held.points
        before = len(points)
        for offset, write in writes:
            minute = _NO_MINUTE if write.version is None else write.as_of // MINUTE_MS
            subject = (write.subject, minute)
            standing = points.get(subject)
            if standing is not None:
                if not replaces(write.version, standing.version):
                    continue
                # Points stand in the order of their offsets.
                del points[subject]
            points[subject] = Point(offset, write.subject, write.version, write.as_of, write.score)
        self._count += len(points) - before
        while self._count > _MOST:
            largest = max(self._held, key=lambda partition: len(self._held[partition].points))
            self._hold_none(largest, self._held[largest].end)

    def _hold_none(self, partition: int, position: int) -> _Held:
        """Hold what a partition brings from `position` on, and nothing before."""
        dropped = self._held.get(partition)
        if dropped is not None:
            self._count -= len(dropped.points)
        held = self._held[partition] = _Held(position, position)
        return held

    def take(self, topic: str, partition: int, position: int) -> HandedBatch | None:
        """
        Take all that is held of a partition from `position` on, which may be nothing.

        Returns:
            None where something between `position` and what is held is missing.
        """
        held = self._held.get(partition)
        if held is None or not held.begin <= position <= held.end:
            return None
        self._hold_none(partition, held.end)
        points = [point for point in held.points.values() if point.offset >= position]
        return HandedBatch(SCORE_POINTS, topic, partition, position, (), points, held.end)
