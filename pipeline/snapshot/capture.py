"""
Taking a snapshot: the rows as the changelog has them, and the log folded from there to its end.

The worker may be running, stopped or dead: what it had folded is in the changelog, and what it had not is in the log.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from aiokafka import TopicPartition
from numpy.typing import NDArray

from pipeline.clock import system_clock
from pipeline.deployment import state_config
from pipeline.errors import FatalError
from pipeline.log_reader import LogReader
from pipeline.partitioner import murmur2
from pipeline.settings import Settings
from pipeline.snapshot.blocks import BLOCK_BYTES, Head, Ids, LogRecord, LogRecords, PartitionHead, Rows
from pipeline.snapshot.carried import CARRIED
from pipeline.snapshot.file import SnapshotWriter
from pipeline.state.codec import encode_rows
from pipeline.state.horizon import HeldIds
from pipeline.state.origin import OriginIds
from pipeline.state.partition import FATES, Partition
from pipeline.state.records import Records
from pipeline.state.restore import Restore
from pipeline.state.sources import PROFILES, SOURCE_OF, SOURCES
from pipeline.topics import CHANGELOG, DAY_MS

AT_ONCE: Final = 8
"""Partitions in memory at a time: enough to keep the broker busy."""
_ROWS: Final = 1_024
"""Rows encoded at once: about a block."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a snapshot holds."""

    rows: int
    records: int
    bytes: int


async def take_snapshot(settings: Settings, path: Path) -> Taken:
    """
    Write all rows to a file, as the log is at this moment.

    Raises:
        BrokerUnavailableError: No broker answers.
        SnapshotWriteError: The file cannot be written.
        FatalError: The rows and the log do not fit together.
        ContractError: A row of the changelog cannot be read.
    """
    async with LogReader(settings, group=settings.topic_prefix + "worker") as reader:
        with SnapshotWriter(path) as writer:
            writer.add(
                Head(uuid.uuid4().hex, system_clock(), version("clout"), settings.topic_prefix, settings.partitions)
            )
            for first in range(0, settings.partitions, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, settings.partitions))
                captures = await _Reading(settings, reader, numbers).states()
                while captures:
                    captured = captures.pop(0)
                    write_partition(writer, captured.partition, captured.ids())
            await _write_records(writer, reader, settings)
    return Taken(writer.rows, writer.records, writer.bytes)


@dataclass(slots=True)
class _Captured:
    """One partition of the state, and which users its ids are of."""

    partition: Partition
    origin_ids: list[OriginIds]
    offsets: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)
    hashes: dict[int, list[NDArray[np.uint32]]] = field(default_factory=dict)

    def note(self, source: int, run: Records) -> None:
        """Remember the users of some records, for the ids among them."""
        if source < PROFILES:
            self.offsets.setdefault(source, []).append(run.offsets)
            self.hashes.setdefault(source, []).append(murmur2([key or b"" for key in run.keys]))

    def ids(self) -> Iterator[OriginIds]:
        """Yield the ids that new records may repeat, with their users."""
        for source in range(PROFILES):
            position = int(self.partition.positions[source])
            held = self.partition.horizons[source].take_out(position)
            users, known = self._users(source, held, position)
            yield from OriginIds.of(SOURCES[source], held.select(known), users[known])

    def _users(self, source: int, held: HeldIds, position: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        users = np.zeros(len(held.keys), np.uint32)
        known = np.zeros(len(held.keys), np.bool_)
        if source in self.offsets:
            offsets, hashes = np.concatenate(self.offsets[source]), np.concatenate(self.hashes[source])
            _look_up(position - held.distances, offsets, hashes, users, known)
        # What stands before the log's beginning came with the snapshot that it began from.
        earlier = [part for part in self.origin_ids if part.source == SOURCES[source]]
        if earlier:
            keys = np.concatenate([part.held().keys for part in earlier])
            hashes = np.concatenate([part.users() for part in earlier])
            order = np.argsort(keys)
            _look_up(held.keys, keys[order], hashes[order], users, known)
        return users, known


def _look_up(
    wanted: NDArray[np.int64] | NDArray[np.uint64],
    sorted_by: NDArray[np.int64] | NDArray[np.uint64],
    found: NDArray[np.uint32],
    users: NDArray[np.uint32],
    known: NDArray[np.bool_],
) -> None:
    at = np.minimum(np.searchsorted(sorted_by, wanted), len(sorted_by) - 1)
    fits = ~known & (sorted_by[at] == wanted)
    users[fits] = found[at[fits]]
    known |= fits


class _Reading:
    """Brings some partitions to the end of their log."""

    def __init__(self, settings: Settings, reader: LogReader, numbers: range) -> None:
        self._settings = settings
        self._reader = reader
        self._numbers = numbers
        self._restores = {number: Restore(Partition(number, state_config(settings))) for number in numbers}

    async def states(self) -> list[_Captured]:
        """Return the partitions, settled; every row is the log up to the partition's positions."""
        # Before the changelog is read: what is committed later may not be in it.
        committed = await self._reader.committed(
            [self._tp(name, number) for name in SOURCES for number in self._numbers]
        )
        await self._read_changelog()
        captured = {}
        for number, restore in self._restores.items():
            restore.finish(np.array([committed[self._tp(name, number)] or 0 for name in SOURCES], np.int64))
            captured[number] = _Captured(restore.partition, restore.origin_ids)
        await self._read_log(captured)
        return list(captured.values())

    def _tp(self, name: str, number: int) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + name, number)

    async def _read_changelog(self) -> None:
        begins = await self._reader.begins([self._tp(CHANGELOG.name, number) for number in self._numbers])
        async for tp, run in self._reader.runs(begins):
            self._restores[tp.partition].add(run.keys, run.values)

    async def _read_log(self, captured: dict[int, _Captured]) -> None:
        """Remember the ids within the horizon before the positions, and fold what lies behind them."""
        span = self._settings.dedupe_ids // 4
        tps = [self._tp(name, number) for name in SOURCES for number in self._numbers]
        begins = await self._reader.begins(tps)
        starts = {}
        for tp in tps:
            source = self._source(tp)
            position = int(captured[tp.partition].partition.positions[source])
            if begins[tp] > position:
                raise FatalError(
                    f"{tp.topic}/{tp.partition} begins at {begins[tp]}, but the worker has folded it up to {position} "
                    "only: records in between are gone. Its retention is too short for how far the worker is behind"
                )
            starts[tp] = max(begins[tp], position - span) if source < PROFILES else position
        async for tp, run in self._reader.runs(starts):
            self._take(captured[tp.partition], self._source(tp), run)
        for tp in tps:
            part = captured[tp.partition].partition
            source, end = self._source(tp), await self._reader.position(tp)
            if end > part.positions[source]:
                # The last offsets are of markers, or of records that compaction took.
                part.fold(source, Records.of(int(part.positions[source]), end, [], [], [], []))
        for each in captured.values():
            each.partition.settle()
            if each.partition.applied is not None:
                raise FatalError(
                    f"rows of partition {each.partition.number} have absorbed more than the topics of prefix "
                    f"{self._settings.topic_prefix!r} hold: the topics are not those that the changelog was made from"
                )

    def _source(self, tp: TopicPartition) -> int:
        return SOURCE_OF[tp.topic.removeprefix(self._settings.topic_prefix)]

    @staticmethod
    def _take(captured: _Captured, source: int, run: Records) -> None:
        part = captured.partition
        captured.note(source, run)
        position = int(part.positions[source])
        before, after = run.before(position), run.since(position)
        if len(before):
            part.remember(source, before)
        if len(after):
            part.fold(source, after)


def write_partition(writer: SnapshotWriter, part: Partition, ids: Iterable[OriginIds]) -> None:
    """Write a settled partition, which is not good for folding afterwards."""
    number = part.number
    writer.add(
        PartitionHead(
            number,
            part.version,
            part.as_of,
            dict(zip(SOURCES, part.positions.tolist(), strict=True)),
            dict(zip(FATES, part.fates.tolist(), strict=True)),
        )
    )
    for each in ids:
        writer.add(Ids(number, each))
    # Every row has absorbed the log up to the positions above: by itself it belongs to no log.
    part.positions[:] = 0
    for first in range(0, len(part), _ROWS):
        rows = np.arange(first, min(first + _ROWS, len(part)))
        # Written under the lowest generation, and owed: whoever begins from here emits every score once.
        writer.add(Rows(number, encode_rows(part, rows, np.zeros(len(rows), np.bool_), 0)))


async def _write_records(writer: SnapshotWriter, reader: LogReader, settings: Settings) -> None:
    specs = {settings.topic_prefix + spec.name: spec for spec in CARRIED}
    tps = [TopicPartition(topic, number) for topic in specs for number in range(settings.partitions)]
    newest: dict[TopicPartition, dict[bytes | None, LogRecord]] = {}
    async for tp, records in reader.read(await reader.begins(tps)):
        spec = specs[tp.topic]
        found = [LogRecord(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records]
        if spec.retention_days is None:
            newest.setdefault(tp, {}).update({record.key: record for record in found})
        else:
            writer.add(LogRecords(spec.name, tp.partition, found))
    forgotten = system_clock() - DAY_MS
    for tp, by_key in newest.items():
        # As Kafka does: for a day a tombstone tells those who have not heard of it yet.
        told = (record for record in by_key.values() if record.value is not None or record.time > forgotten)
        for block in _blocks(sorted(told, key=_offset)):
            writer.add(LogRecords(specs[tp.topic].name, tp.partition, block))


def _offset(record: LogRecord) -> int:
    return record.offset


def _blocks(records: list[LogRecord]) -> Iterator[list[LogRecord]]:
    block: list[LogRecord] = []
    size = 0
    for record in records:
        block.append(record)
        size += len(record.value or b"")
        if size > BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
