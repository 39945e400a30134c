"""An outlet: one topic of the worker's results, and how its records are written to Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pipeline.lookup import keys
from pipeline.lookup.scripts import Script

Argument = str | int | float


class Record(Protocol):
    """The part of a Kafka record that counts here."""

    offset: int
    key: bytes | None
    value: bytes | None


class Write(msgspec.Struct, gc=False):
    """One record on its way to Redis."""

    subject: str
    """Of several records of a subject in one fetch only the newest is written."""
    version: int | None
    """None for a tombstone."""
    columns: tuple[Argument | bytes, ...]
    """What the script takes of each record, as many of every record; bytes in one are bytes in all."""
    rest: Sequence[Argument] = ()
    """What it takes of some records more than of others; `columns` tell how many."""
    time: int = 0
    """When a score was computed, Unix ms; 0 for all else."""
    as_of: int = 0
    """Up to which event time it holds, Unix ms; 0 for all else."""
    score: float = 0.0
    """0 for all else."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """
    What the sink must know of a topic.

    `prepare` raises `msgspec.DecodeError` or `UnicodeDecodeError` for a record that cannot be written.
    """

    topic: str
    """Without the deployment's prefix."""
    prepare: Callable[[Record], Write]
    script: Script
    per_call: int
    """Records in one call: large enough that the call itself costs little, and Redis is soon back for readers."""
    reader: str = ""
    """Stands before the names of its positions, where another outlet reads the same topic."""

    def field(self, topic: str, partition: int) -> str:
        """Return the field of `clout:sink` that holds the next offset; `topic` with the deployment's prefix."""
        return keys.offset_field(self.reader + topic, partition)


def tombstone_user(record: Record) -> str:
    """
    Return whose record a tombstone ends.

    Raises:
        msgspec.DecodeError: It has no key.
        UnicodeDecodeError: Its key is no text.
    """
    if not record.key:
        raise msgspec.DecodeError("a tombstone without a key")
    return record.key.decode()
