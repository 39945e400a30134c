"""
Beginning a log from a snapshot: empty topics get what it holds, and the worker recovers from them as from its own.

Nothing but the changelog and the carried topics is written: whoever starts afterwards needs to know of no snapshot.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.errors import ConfigError, ContractError
from pipeline.kafka import client_options, connected
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.snapshot.blocks import Block, End, LogRecords, Rows
from pipeline.snapshot.file import read_blocks
from pipeline.snapshot.outline import Outline
from pipeline.snapshot.sinks import move_sinks
from pipeline.state.codec import encode_meta
from pipeline.state.origin import Origin, encode_origin
from pipeline.state.partition import FATES, Partition
from pipeline.streams.batches import BatchWriter
from pipeline.topics import CHANGELOG, TOPICS, ensure_topics

LEAP: Final = 1 << 32
"""Versions that are left out after a log was lost: more records than any lost log had."""

_FLUSH_BYTES: Final = 16 << 20
"""Written at once, then acknowledged: memory stays bounded."""


@dataclass(slots=True)
class Begun:
    """What a log began with."""

    rows: int = 0
    records: int = 0
    taken: int = 0
    """When the snapshot was taken, Unix ms."""


async def restore_snapshot(settings: Settings, path: Path, *, lost: bool = False) -> Begun:
    """
    Let empty topics begin with a snapshot, in whatever number of partitions.

    Args:
        settings: Whose topics; they are created where they are missing.
        path: The snapshot.
        lost: A log that began from this snapshot, too, was lost: its versions are not used again.

    Raises:
        ConfigError: There is no such file, or the topics are not empty.
        ContractError: The file is damaged.
        BrokerUnavailableError: No broker answers.
        StoreUnavailableError: Redis does not answer; it may hold how far a sink had read.
        ChangelogWriteError: The broker did not acknowledge.
    """
    outline = Outline.of(path, settings.partitions)
    await ensure_topics(settings)
    await _require_empty(settings)
    async with _producer(settings) as producer:
        writing = _Writing(settings, producer, outline)
        for number in range(settings.partitions):
            await writing.begin(number, lost=lost)
        for block in read_blocks(path):
            await writing.take(block)
        await writing.flush()
    await move_sinks(settings, writing.old_offsets if outline.same else None)
    return writing.begun


class _Writing:
    """Writes a snapshot into empty topics."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, outline: Outline) -> None:
        self.begun = Begun(taken=outline.head.time)
        self.old_offsets: dict[tuple[str, int], list[int]] = {}
        """By topic and partition, the offsets that its first records had."""
        self._settings = settings
        self._writer = BatchWriter(producer)
        self._flushed = 0
        self._outline = outline

    async def begin(self, number: int, *, lost: bool) -> None:
        """Write what a partition begins from, before any row."""
        head = self._outline.parts[number]
        origin = Origin(self._outline.head.id, head.version + (LEAP if lost else 0))
        for key, value in encode_origin(origin, self._outline.ids[number]):
            await self._add(CHANGELOG.name, number, key, value)
        part = Partition(number)
        part.as_of = head.as_of
        part.fates[:] = [head.fates.get(fate, 0) for fate in FATES]
        await self._add(CHANGELOG.name, number, *encode_meta(part, 0))

    async def take(self, block: Block) -> None:
        """Write the rows or records of a block."""
        if isinstance(block, Rows):
            numbers = self._outline.numbers_of_rows(block)
            for number, (user, row) in zip(numbers, block.rows, strict=True):
                await self._add(CHANGELOG.name, number, user, row)
            self.begun.rows += len(block.rows)
        elif isinstance(block, LogRecords):
            await self._take_records(block)
        elif isinstance(block, End) and (block.rows, block.records) != (self.begun.rows, self.begun.records):
            raise ContractError(f"the snapshot says it has {block.rows} rows, but {self.begun.rows} were found")

    async def _take_records(self, block: LogRecords) -> None:
        numbers = self._outline.numbers_of([record.key for record in block.records], block.partition)
        for number, record in zip(numbers, block.records, strict=True):
            await self._add(block.topic, number, record.key, record.value, record.time, record.headers)
        self.begun.records += len(block.records)
        if self._outline.same:
            offsets = self.old_offsets.setdefault((block.topic, block.partition), [])
            offsets.extend(record.offset for record in block.records)

    async def _add(
        self,
        topic: str,
        number: int,
        key: bytes | None,
        value: bytes | None,
        time: int = 0,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        self._writer.add(
            self._settings.topic_prefix + topic, number, key, value, time or self.begun.taken, headers or []
        )
        if self._writer.bytes - self._flushed > _FLUSH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Wait until all of it is acknowledged."""
        await self._writer.flush()
        self._flushed = self._writer.bytes


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(settings),
        # Not idempotent, which the embedded broker could not be: a record that a retry doubles says the same twice.
        acks="all",
    )
    try:
        async with connected(settings):
            await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _require_empty(settings: Settings) -> None:
    tps = [
        TopicPartition(settings.topic_prefix + spec.name, number)
        for spec in (*TOPICS, CHANGELOG)
        for number in range(settings.partitions)
    ]
    async with LogReader(settings) as reader:
        used = sorted({tp.topic for tp, end in (await reader.ends(tps)).items() if end > 0})
    if used:
        raise ConfigError(
            f"a snapshot begins a log, but there are records in {', '.join(used)}: choose another CLOUT_TOPIC_PREFIX, "
            "or delete these topics"
        )
