"""Follows the control topic: into memory, and from there into a mirror where there is one."""

import asyncio
import contextlib
from typing import Final, Protocol

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.control.table import ControlTable
from pipeline.control.writer import Place
from pipeline.errors import BrokerUnavailableError, PipelineError
from pipeline.kafka import client_options
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

log = get_logger(__name__)

_POLL_MS: Final = 1000
_SEEN_S: Final = 2.0
"""A change that was just written comes back within some 50 ms."""
_RETRY_S: Final = 1.0


class Mirror(Protocol):
    """A copy of the records that outlives the process."""

    async def load(self) -> dict[str, bytes]:
        """Return every record by its id, none while the mirror is away."""

    async def write(self, changes: dict[str, bytes | None]) -> bool:
        """Write records, None to delete one; returns False while the mirror is away."""


class Follower:
    """Keeps a table current, for as long as it runs; Kafka and the mirror may be away for as long as they like."""

    def __init__(self, settings: Settings, table: ControlTable, mirror: Mirror | None = None) -> None:
        self._settings = settings
        self._table = table
        self._mirror = mirror
        self._topic = settings.topic_prefix + "control"
        self._partitions = [TopicPartition(self._topic, part) for part in range(settings.partitions)]
        self._next: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._unmirrored: dict[str, bytes | None] = {}
        self.completed = asyncio.Event()
        """Set once the topic was read to its end."""

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._load()
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, PipelineError) as exc:
                # Whoever starts with a password that is refused hears of it elsewhere; here one was changed meanwhile.
                log.warning("control records cannot be followed: trying again", reason=str(exc))
                await asyncio.sleep(_RETRY_S)

    async def reached(self, place: Place) -> None:
        """Wait, 2 s at most, until the record at a place is in the table."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_S):
                while self._next.get(place.partition, 0) <= place.offset:
                    self._moved.clear()
                    await self._moved.wait()

    async def _load(self) -> None:
        """Begin with what the mirror has: without Kafka it is all there is."""
        stored = await self._mirror.load() if self._mirror else {}
        for record_id, value in stored.items():
            self._table.apply(record_id, value)
        self._table.is_complete = bool(stored)

    async def _follow(self) -> None:
        consumer = await self._connect()
        try:
            await self._read(consumer)
        finally:
            with contextlib.suppress(KafkaError, OSError):
                await consumer.stop()

    async def _connect(self) -> AIOKafkaConsumer:
        async for attempt in stamina.retry_context(
            on=BrokerUnavailableError, attempts=None, timeout=None, wait_initial=0.5, wait_max=5.0
        ):
            with attempt:
                await ensure_topics(self._settings)
                consumer = AIOKafkaConsumer(
                    **client_options(self._settings),
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    fetch_max_wait_ms=self._settings.fetch_wait_ms,
                    client_id="clout-control",
                )
                await _start(consumer, self._settings.broker)
        return consumer

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        """Read everything anew, drop what the topic no longer has, then go on."""
        consumer.assign(self._partitions)
        ends = {partition.partition: end for partition, end in (await consumer.end_offsets(self._partitions)).items()}
        await consumer.seek_to_beginning(*self._partitions)
        self._next = {partition.partition: await consumer.position(partition) for partition in self._partitions}
        seen: set[str] | None = set()
        while True:
            if seen is not None and all(self._next[part] >= end for part, end in ends.items()):
                self._complete(seen)
                seen = None
            await self._write_mirror()
            fetched = await consumer.getmany(timeout_ms=50 if seen is not None else _POLL_MS)
            for partition, records in fetched.items():
                for record in records:
                    record_id = record.key.decode("utf-8", "replace") if record.key else ""
                    self._take(record_id, record.value)
                    if seen is not None:
                        (seen.discard if record.value is None else seen.add)(record_id)
                self._next[partition.partition] = records[-1].offset + 1
            for partition in self._partitions:
                # Compaction leaves gaps, also at the end.
                self._next[partition.partition] = max(
                    self._next[partition.partition], await consumer.position(partition)
                )
            if fetched:
                self._moved.set()

    def _take(self, record_id: str, value: bytes | None) -> None:
        if self._table.apply(record_id, value):
            self._unmirrored[record_id] = value
        else:
            log.warning("control record left out: it does not decode", id=record_id)

    def _complete(self, seen: set[str]) -> None:
        for record_id in self._table.forget_all_but(seen):
            self._unmirrored[record_id] = None
        self._table.is_complete = True
        self.completed.set()
        self._moved.set()
        log.info("control records are read", count=len(seen))

    async def _write_mirror(self) -> None:
        if self._mirror is None or not self._unmirrored:
            self._unmirrored.clear()
        elif await self._mirror.write(self._unmirrored):
            self._unmirrored = {}


async def _start(consumer: AIOKafkaConsumer, broker: str) -> None:
    try:
        await consumer.start()
    except (KafkaError, OSError) as exc:
        with contextlib.suppress(KafkaError, OSError):
            await consumer.stop()
        raise BrokerUnavailableError(f"no Kafka broker answers at {broker}") from exc
