"""Writing many records at once: whole Kafka record batches instead of a future a record."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.errors import ChangelogWriteError
from pipeline.record_batch import Columns, Header, Record, RecordBatch, record_batches
from pipeline.state.packed import Packed

NO_HEADERS: Final[Sequence[Header]] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch that the broker has."""

    offset: int
    """Of its first record; -1 where the broker had it already, and does not say."""
    records: int


class BatchWriter:
    """Collects records by topic and partition and sends them as batches."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self.bytes = 0
        """Of all values."""
        self.acknowledged: dict[tuple[str, int], list[Acknowledged]] = {}
        """What the last flush wrote, by topic and partition."""

    def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        now: int,
        headers: Sequence[Header] = NO_HEADERS,
    ) -> None:
        """Add a record; `now` is its Kafka timestamp, Unix ms."""
        self._lane(topic, partition).add(key, value, now, headers)
        self.bytes += len(value or b"")

    def extend(
        self, topic: str, partition: int, keys: Packed, values: Packed, now: int, headers: Sequence[Header] = NO_HEADERS
    ) -> None:
        """Add records with the same timestamp and headers."""
        if not len(keys):
            return
        self._lane(topic, partition).extend(Columns.alike(keys, values, now, headers))
        self.bytes += int(values.lengths.sum())

    def _lane(self, topic: str, partition: int) -> "_Lane":
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = _Lane()
        return lane

    async def flush(self) -> None:
        """
        Send everything and wait until the broker has acknowledged it.

        Raises:
            ChangelogWriteError: A batch was not acknowledged: nothing that depends on it may be committed.
        """
        lanes, self._lanes = self._lanes, {}
        self.acknowledged = {}
        try:
            await asyncio.gather(*(self._send(topic, number, lane) for (topic, number), lane in lanes.items()))
        except KafkaError as exc:
            topics = sorted({topic for topic, _ in lanes})
            raise ChangelogWriteError(
                f"the broker did not acknowledge {', '.join(topics)} ({type(exc).__name__}: {exc}): nothing was "
                "committed; look at the broker's log and whether its disk is full, then start the worker again: it "
                "continues from the last commit"
            ) from exc

    async def _send(self, topic: str, partition: int, lane: "_Lane") -> None:
        """Send one partition's batches; the producer takes the next when the one before is under way."""
        waiting, records = [], []
        for batch in lane.batches():
            waiting.append(await self._producer.send_batch(batch, topic, partition=partition))
            records.append(batch.record_count())
        written = await asyncio.gather(*waiting)
        self.acknowledged[topic, partition] = [
            Acknowledged(batch.offset, count) for batch, count in zip(written, records, strict=True)
        ]


class _Lane:
    """The records for one partition, in their order."""

    def __init__(self) -> None:
        self._pieces: list[Columns] = []
        self._singles: list[Record] = []
        """The last records, which came one by one."""

    def add(self, key: bytes | None, value: bytes | None, now: int, headers: Sequence[Header]) -> None:
        self._singles.append((key, value, now, headers))

    def extend(self, records: Columns) -> None:
        self._close()
        self._pieces.append(records)

    def batches(self) -> Iterator[RecordBatch]:
        self._close()
        return record_batches(self._pieces)

    def _close(self) -> None:
        if self._singles:
            self._pieces.append(Columns.of(self._singles))
            self._singles = []
