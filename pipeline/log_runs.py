"""The topics of a partition in memory, and the runs in which the oracle folds them: as they came, in other batches."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka.structs import ConsumerRecord

from pipeline.state.records import Records
from pipeline.state.sources import SOURCES

RUN: Final = 5_000
"""Records folded at once: another number than any fetch has."""

APART_MS: Final = 10_000
"""
So much log time a topic may be read ahead of the others: spikes depend on it where topics come ten minutes apart.
"""

_NEVER: Final = 1 << 62


@dataclass(slots=True)
class Log:
    """The records of one topic's partition."""

    begin: int = 0
    offsets: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[tuple[tuple[str, bytes], ...]] = field(default_factory=list)
    clock: list[int] = field(default_factory=list)
    """The greatest timestamp up to each record: producers write their own."""

    def add(self, record: ConsumerRecord, *, with_headers: bool) -> None:
        """Append a record."""
        self.offsets.append(record.offset)
        self.timestamps.append(record.timestamp)
        self.keys.append(record.key)
        self.values.append(record.value)
        self.headers.append(record.headers if with_headers else ())
        self.clock.append(max(record.timestamp, self.clock[-1]) if self.clock else record.timestamp)

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return max(self.offsets[-1] + 1, self.begin) if self.offsets else self.begin


@dataclass(slots=True)
class _Reading:
    """How far one topic was read: the position, and the places of the next record and of the end among its records."""

    log: Log
    position: int
    end: int
    place: int
    stop: int

    @property
    def next_time(self) -> int:
        """The log time of the next record; where there is none, there is nothing to wait for."""
        return self.log.clock[self.place] if self.place < self.stop else -1

    def take(self, until: int) -> Records:
        """Return the run of records up to a log time, one at least, or what is left of the positions."""
        first = self.place
        self.place = min(max(bisect_right(self.log.clock, until, first, self.stop), first + 1), first + RUN, self.stop)
        position = self.position
        self.position = self.end if self.place == self.stop else self.log.offsets[self.place]
        part = slice(first, self.place)
        return Records.of(
            position,
            self.position,
            self.log.offsets[part],
            self.log.timestamps[part],
            self.log.keys[part],
            self.log.values[part],
        )


def runs(
    logs: Mapping[str, Log], positions: Mapping[str, int], ends: Mapping[str, int]
) -> Iterator[tuple[int, Records]]:
    """
    Yield the records of all sources from their positions up to their ends, about in the order in which they came.

    Returns:
        The number of the source, and a run of its records; without a gap, whatever compaction took.
    """
    waiting: dict[int, _Reading] = {}
    for source, name in enumerate(SOURCES):
        position, end = positions[name], ends.get(name, 0)
        if end > position:
            offsets = logs[name].offsets
            waiting[source] = _Reading(
                logs[name], position, end, bisect_left(offsets, position), bisect_left(offsets, end)
            )
    while waiting:
        times = {source: reading.next_time for source, reading in waiting.items()}
        source = min(times, key=times.__getitem__)
        others = min((time for other, time in times.items() if other != source), default=_NEVER)
        reading = waiting[source]
        yield source, reading.take(others + APART_MS)
        if reading.position == reading.end:
            del waiting[source]
