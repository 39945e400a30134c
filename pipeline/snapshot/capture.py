"""
Taking a snapshot: the rows as the changelog has them, and the log folded from there to its end.

The log's end is read twice: first to know whose rows it changes, then to fold it into these. The worker may be running,
stopped or dead: what it had folded is in the changelog, and what it had not is in the log.
"""

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from aiokafka import TopicPartition
from numpy.typing import NDArray

from pipeline.changelog import changelog_of, require_beginning, require_rows
from pipeline.clock import system_clock
from pipeline.deployment import state_config
from pipeline.errors import FatalError
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.snapshot.blocks import BLOCK_BYTES, Head, Ids, LogRecord, LogRecords, PartitionHead, Rows
from pipeline.snapshot.captured import Captured
from pipeline.snapshot.carried import CARRIED
from pipeline.snapshot.file import SnapshotWriter
from pipeline.snapshot.newest import NewestRows
from pipeline.state.codec import encode_rows
from pipeline.state.origin import OriginIds
from pipeline.state.partition import FATES, Partition
from pipeline.state.records import Records
from pipeline.state.restore import Restore
from pipeline.state.sources import PROFILES, SOURCE_OF, SOURCES
from pipeline.state.winners import own_records
from pipeline.topics import DAY_MS

AT_ONCE: Final = 8
"""Partitions in memory at a time: enough to keep the broker busy."""
_ROWS: Final = 2_048
"""Rows written at once: about a block."""


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
        ChangelogLostError: Rows are gone from the changelog.
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
                    write_partition(writer, captured.partition, captured.ids(), captured.newest.copies(_ROWS))
            await _write_records(writer, reader, settings)
    return Taken(writer.rows, writer.records, writer.bytes)


class _Reading:
    """Brings some partitions to the end of their log."""

    def __init__(self, settings: Settings, reader: LogReader, numbers: range) -> None:
        self._settings = settings
        self._reader = reader
        self._numbers = numbers
        self._restores = {number: Restore(Partition(number, state_config(settings))) for number in numbers}

    async def states(self) -> list[Captured]:
        """Return the partitions, settled; every row is the log up to the partition's positions."""
        # Before the changelog is read: what is committed later may not be in it.
        committed = await self._reader.committed(
            [self._tp(name, number) for name in SOURCES for number in self._numbers]
        )
        positions = {
            number: np.array([committed[self._tp(name, number)] or 0 for name in SOURCES], np.int64)
            for number in self._numbers
        }
        newest = {number: NewestRows(position) for number, position in positions.items()}
        await self._read_changelog(newest)
        positions = {number: self._restores[number].believed(position) for number, position in positions.items()}
        ends = await self._find_end(newest, positions)
        captured = {}
        for number, restore in self._restores.items():
            require_rows(restore, self._settings, positions[number])
            restore.add(*newest[number].wanted())
            restore.finish(positions[number])
            part = restore.partition
            part.as_of = max(part.as_of, newest[number].as_of)
            captured[number] = Captured(part, newest[number], restore.origin_ids)
        await self._read_log(captured, ends)
        return list(captured.values())

    def _tp(self, name: str, number: int) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + name, number)

    async def _read_changelog(self, newest: dict[int, NewestRows]) -> None:
        begins = await self._reader.begins([changelog_of(self._settings, number) for number in self._numbers])
        require_beginning(self._settings, begins)
        adding: asyncio.Future[None] | None = None
        async for tp, run in self._reader.runs(begins):
            if adding:
                await adding
            # In another thread: the next run is read meanwhile.
            adding = asyncio.ensure_future(asyncio.to_thread(self._add, newest[tp.partition], tp.partition, run))
        if adding:
            await adding

    def _add(self, newest: NewestRows, number: int, run: Records) -> None:
        own = np.flatnonzero(own_records(run.keys))
        self._restores[number].add(run.keys.select(own), run.values.select(own))
        newest.add(run.keys, run.values)

    async def _find_end(
        self, newest: dict[int, NewestRows], positions: dict[int, NDArray[np.int64]]
    ) -> dict[TopicPartition, int]:
        """Find out where the log ends, and whose rows have not absorbed all of it."""
        starts = {
            self._tp(name, number): int(positions[number][source])
            for source, name in enumerate(SOURCES)
            for number in self._numbers
        }
        begins = await self._reader.begins(starts)
        for tp, position in starts.items():
            if begins[tp] > position:
                raise FatalError(
                    f"{tp.topic}/{tp.partition} begins at {begins[tp]}, but the worker has folded it up to {position} "
                    "only: records in between are gone. Its retention is too short for how far the worker is behind"
                )
        async for tp, run in self._reader.runs(starts):
            newest[tp.partition].want(run.keys)
        return {tp: await self._reader.position(tp) for tp in starts}

    async def _read_log(self, captured: dict[int, Captured], ends: dict[TopicPartition, int]) -> None:
        """Remember the ids within the horizon before the positions, and fold what lies behind them."""
        begins = await self._reader.begins(ends)
        starts = {}
        for tp in ends:
            source = self._source(tp)
            part = captured[tp.partition].partition
            position = int(part.positions[source])
            starts[tp] = max(begins[tp], part.reads_from(source)) if source < PROFILES else position
        async for tp, run in self._reader.runs(starts, ends):
            self._take(captured[tp.partition], self._source(tp), run.before(ends[tp]))
        for tp, end in ends.items():
            part, source = captured[tp.partition].partition, self._source(tp)
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
    def _take(captured: Captured, source: int, run: Records) -> None:
        part = captured.partition
        captured.note(source, run)
        position = int(part.positions[source])
        before, after = run.before(position), run.since(position)
        if len(before):
            part.remember(source, before)
        if len(after):
            part.fold(source, after)


def write_partition(
    writer: SnapshotWriter,
    part: Partition,
    ids: Iterable[OriginIds],
    copies: Iterable[list[tuple[bytes, bytes]]] = (),
) -> None:
    """
    Write a settled partition, which is not good for folding afterwards.

    Args:
        writer: Of the file.
        part: The partition.
        ids: What new records may repeat.
        copies: Users and rows that the partition does not have.
    """
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
    for copied in copies:
        writer.add(Rows(number, copied))


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
