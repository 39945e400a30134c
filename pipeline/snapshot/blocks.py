"""What a snapshot is made of: blocks, each small enough to be held in memory by itself."""

from typing import Final

import msgspec

from pipeline.state.origin import OriginIds

BLOCK_BYTES: Final = 1 << 20
"""About so many bytes of rows or records go into one block: few calls, and no memory worth mentioning."""


class Head(msgspec.Struct, frozen=True, tag="head", array_like=True):
    """The first block: where the snapshot comes from."""

    id: str
    """Random; a log that begins from this snapshot names it."""
    time: int
    """When it was taken, Unix ms."""
    program: str
    """The version of the program that wrote it."""
    topic_prefix: str
    partitions: int


class PartitionHead(msgspec.Struct, frozen=True, tag="partition", array_like=True):
    """One partition of the old log, before its rows."""

    number: int
    version: int
    """The greatest that a score document of this partition may carry."""
    as_of: int
    """The greatest event time or tick folded, Unix ms."""
    positions: dict[str, int]
    """By input topic without its prefix: the offset up to which every row is the log."""
    fates: dict[str, int]
    """How many records met each fate, of all logs so far."""


class Rows(msgspec.Struct, frozen=True, tag="rows", array_like=True):
    """Rows of a partition, as the changelog has them, but without offsets: see README.md."""

    partition: int
    rows: list[tuple[bytes, bytes]]
    """User and row."""


class Ids(msgspec.Struct, frozen=True, tag="ids", array_like=True):
    """Ids within the horizon of one topic's partition."""

    partition: int
    ids: OriginIds


class LogRecord(msgspec.Struct, frozen=True, array_like=True):
    """One record, as it was."""

    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class LogRecords(msgspec.Struct, frozen=True, tag="log", array_like=True):
    """Records of a topic that the rows do not contain; of a compacted topic the newest of each key."""

    topic: str
    """Without its prefix."""
    partition: int
    records: list[LogRecord]


class End(msgspec.Struct, frozen=True, tag="end", array_like=True):
    """The last block: without it the file was cut off."""

    rows: int
    records: int


Block = Head | PartitionHead | Rows | Ids | LogRecords | End
