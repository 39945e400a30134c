"""
From fetched records to chunks: what one call of the script writes.

A chunk covers a range of offsets of each partition in it, from where the range before it ended.
Of several documents of a user in one fetch only the newest is written: the others would be replaced at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pipeline.lookup import keys
from pipeline.lookup.change import Change, encode_change
from schemas import network_of


class Record(Protocol):
    """The part of a Kafka record that counts here."""

    offset: int
    key: bytes | None
    value: bytes | None


class _NetworkHead(msgspec.Struct, gc=False):
    score: float


class _ScoreHead(msgspec.Struct, gc=False):
    """What the sink must know of a score document: the rest passes by undecoded."""

    user: str
    handle: str
    score: float
    previous: float | None
    bucket: str
    networks: dict[str, _NetworkHead]
    version: int
    time: int
    as_of: int


class _ActorHead(msgspec.Struct, gc=False):
    actor: str
    count: int


class _DetailsHead(msgspec.Struct, gc=False):
    user: str
    actors: list[_ActorHead]
    version: int


Argument = bytes | str | int | float

_decode_score = msgspec.json.Decoder(_ScoreHead).decode
_decode_details = msgspec.json.Decoder(_DetailsHead).decode


class Write(msgspec.Struct, gc=False):
    """One document on its way to Redis."""

    user: str
    version: int | None
    """None for a tombstone."""
    time: int
    """When a score was computed, Unix ms; 0 for all else."""
    arguments: list[Argument]


Prepare = Callable[[Record], Write]


def score_write(record: Record) -> Write:
    """
    Return the arguments that the script takes for a record of `clout.scores`.

    Raises:
        msgspec.DecodeError: The value is no score document, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        user = _tombstone_user(record)
        return Write(user, None, 0, [user, "", "", "", "", 0, b""])
    head = _decode_score(record.value)
    change = encode_change(
        Change(
            user=head.user,
            handle=head.handle,
            score=head.score,
            previous=head.previous,
            bucket=head.bucket,
            networks=list(head.networks),
            version=head.version,
            time=head.time,
            as_of=head.as_of,
        )
    )
    handle_key = keys.handle(network_of(head.user), head.handle)
    arguments: list[Argument] = [head.user, head.version, head.score, handle_key, change, len(head.networks)]
    for network, part in head.networks.items():
        arguments += (network, part.score)
    arguments.append(record.value)
    return Write(head.user, head.version, head.time, arguments)


def details_write(record: Record) -> Write:
    """
    Return the arguments that the script takes for a record of `clout.details`.

    Raises:
        msgspec.DecodeError: The value is no details document, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        user = _tombstone_user(record)
        return Write(user, None, 0, [user, "", 0, b""])
    head = _decode_details(record.value)
    arguments: list[Argument] = [head.user, head.version, len(head.actors)]
    for actor in head.actors:
        arguments += (actor.actor, actor.count)
    arguments.append(record.value)
    return Write(head.user, head.version, 0, arguments)


def _tombstone_user(record: Record) -> str:
    if not record.key:
        raise msgspec.DecodeError("a tombstone without a key")
    return record.key.decode()


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one partition in one fetch; `position` is where the batch before it ended."""

    topic: str
    partition: int
    position: int
    records: Sequence[Record]
    prepare: Prepare
    """`score_write` or `details_write`, by the topic."""

    @property
    def is_scores(self) -> bool:
        """Tell scores from details."""
        return self.prepare is score_write


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets `position` to `next` (not included) of a partition."""

    field: str
    position: int
    next: int


@dataclass(slots=True)
class Chunk:
    """What one call of the script writes."""

    ranges: list[Range] = field(default_factory=list)
    scores: list[Write] = field(default_factory=list)
    details: list[Write] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """How many documents it holds."""
        return len(self.scores) + len(self.details)

    def arguments(self, *, quiet: bool, changes_kept: int, influencers_kept: int) -> list[Argument]:
        """Return the script's arguments; a `quiet` chunk appends nothing to the stream of changes."""
        newest = max((write.time for write in self.scores), default=0)
        arguments: list[Argument] = [int(quiet), changes_kept, influencers_kept, newest, len(self.ranges)]
        for part in self.ranges:
            arguments += (part.field, part.position, part.next)
        for writes in (self.scores, self.details):
            arguments.append(len(writes))
            for write in writes:
                arguments += write.arguments
        return arguments


@dataclass(slots=True)
class Tally:
    """Records that no chunk holds."""

    superseded: int = 0
    """A newer document of the same user stood in the same fetch."""
    refused: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Topic, partition, offset and reason of each record that does not decode."""


def chunks(batches: Sequence[Batch], limit: int, tally: Tally) -> Iterator[Chunk]:
    """Cut the batches of one fetch into chunks of at most `limit` documents."""
    chunk = Chunk()
    for batch in batches:
        writes = list(_newest(_prepared(batch, tally), tally))
        name, position = keys.offset_field(batch.topic, batch.partition), batch.position
        for offset, write in writes:
            (chunk.scores if batch.is_scores else chunk.details).append(write)
            if chunk.documents == limit:
                chunk.ranges.append(Range(name, position, offset + 1))
                position = offset + 1
                yield chunk
                chunk = Chunk()
        if position <= batch.records[-1].offset:
            chunk.ranges.append(Range(name, position, batch.records[-1].offset + 1))
    if chunk.ranges:
        yield chunk


def _prepared(batch: Batch, tally: Tally) -> Iterator[tuple[int, Write]]:
    for record in batch.records:
        try:
            yield record.offset, batch.prepare(record)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            tally.refused.append((batch.topic, batch.partition, record.offset, str(exc)))


def _newest(writes: Iterator[tuple[int, Write]], tally: Tally) -> Iterator[tuple[int, Write]]:
    """Keep one write per user, in the order of offsets; a tombstone replaces all before it."""
    newest: dict[str, tuple[int, Write]] = {}
    for offset, write in writes:
        standing = newest.get(write.user)
        if standing is not None:
            tally.superseded += 1
            if not _replaces(write, standing[1]):
                continue
            del newest[write.user]
        newest[write.user] = (offset, write)
    yield from newest.values()


def _replaces(write: Write, standing: Write) -> bool:
    return write.version is None or standing.version is None or write.version > standing.version
