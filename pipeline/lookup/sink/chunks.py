"""
From fetched records to chunks: what one call of a script writes.

A chunk covers a range of offsets of each partition in it, from where the range before it ended.
Of several records of a subject in one fetch only the newest is written: the others would be replaced at once.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import msgspec

from pipeline.lookup.sink.outlet import Outlet, Record, Write

_pack = msgspec.msgpack.Encoder().encode
_TEXT: Final = struct.Struct(">BI")
"""The head of a text of MessagePack, up to 4 GB; Redis knows none of its bytes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one partition in one fetch; `position` is where the batch before it ended."""

    outlet: Outlet
    topic: str
    """With the deployment's prefix."""
    partition: int
    position: int
    records: Sequence[Record]

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.records[-1].offset + 1

    def writes(self, tally: "Tally") -> Iterator[tuple[int, Write]]:
        """Yield what is written of each record that decodes, with its offset."""
        for record in self.records:
            try:
                yield record.offset, self.outlet.prepare(record)
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                tally.refused.append((self.topic, self.partition, record.offset, str(exc)))


Heard = Callable[[Batch, Sequence[tuple[int, Write]]], None]
"""Is told of all that a batch brought, before any of it is written."""


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets `position` to `next` (not included) of a partition."""

    field: str
    position: int
    next: int


@dataclass(slots=True)
class Chunk:
    """What one call of an outlet's script writes."""

    outlet: Outlet
    ranges: list[Range] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


def packed(ranges: Sequence[Range], writes: Sequence[Write], *, quiet: bool) -> bytes:
    """
    Return what a script takes; a `quiet` one appends nothing to a stream.

    It is one argument: thousands of them cost client and server more than all that is done with them.
    """
    newest = max((write.time for write in writes), default=0)
    # Numbers go as text: Lua would write them in its own way.
    values: list[str | msgspec.Raw] = ["1" if quiet else "0", str(newest), str(len(ranges))]
    for part in ranges:
        values += (part.field, str(part.position), str(part.next))
    values.append(str(len(writes)))
    for column in zip(*[write.columns for write in writes], strict=True):
        values += map(_text if isinstance(column[0], bytes) else str, column)
    values += map(str, chain.from_iterable([write.rest for write in writes]))
    return _pack(values)


def _text(value: bytes) -> msgspec.Raw:
    """Return bytes as the text that Redis can unpack."""
    return msgspec.Raw(_TEXT.pack(0xDB, len(value)) + value)


@dataclass(slots=True)
class Tally:
    """Records that no chunk holds."""

    superseded: int = 0
    """A newer record of the same subject stood in the same fetch."""
    refused: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Topic, partition, offset and reason of each record that does not decode."""


def chunks(batches: Sequence[Batch], tally: Tally, heard: Heard | None = None) -> Iterator[Chunk]:
    """Cut the batches of one fetch into chunks, one outlet after the other."""
    outlets = dict.fromkeys(batch.outlet for batch in batches)
    for outlet in outlets:
        yield from _chunks(outlet, [batch for batch in batches if batch.outlet is outlet], tally, heard)


def _chunks(outlet: Outlet, batches: Sequence[Batch], tally: Tally, heard: Heard | None) -> Iterator[Chunk]:
    chunk = Chunk(outlet)
    for batch in batches:
        name, position = outlet.field(batch.topic, batch.partition), batch.position
        writes = list(batch.writes(tally))
        if heard is not None:
            heard(batch, writes)
        for offset, write in _newest(writes, tally):
            chunk.writes.append(write)
            if len(chunk.writes) == outlet.per_call:
                chunk.ranges.append(Range(name, position, offset + 1))
                position = offset + 1
                yield chunk
                chunk = Chunk(outlet)
        if position < batch.end:
            chunk.ranges.append(Range(name, position, batch.end))
    if chunk.ranges:
        yield chunk


def _newest(writes: Sequence[tuple[int, Write]], tally: Tally) -> list[tuple[int, Write]]:
    """Keep one write per subject, in the order of offsets; a tombstone replaces all before it."""
    newest: dict[str, tuple[int, Write]] = {}
    for offset, write in writes:
        standing = newest.get(write.subject)
        if standing is not None:
            tally.superseded += 1
            if not replaces(write.version, standing[1].version):
                continue
            del newest[write.subject]
        newest[write.subject] = (offset, write)
    return list(newest.values())


def replaces(version: int | None, standing: int | None) -> bool:
    """Tell whether a record counts more than one before it; None: a tombstone."""
    # Of one version the later record counts: details change without an event when somebody they name is forgotten.
    return version is None or standing is None or version >= standing
