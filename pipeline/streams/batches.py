"""Writing many records at once: whole Kafka record batches instead of a future a record."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from pipeline.errors import ChangelogWriteError

Header = tuple[str, bytes]

NO_HEADERS: Final[list[Header]] = []
"""Never changed."""


class BatchWriter:
    """Collects records by topic and partition and sends them as batches."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._lanes: dict[tuple[str, int], list[BatchBuilder]] = {}
        self.records = 0
        self.bytes = 0

    def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        now: int,
        headers: list[Header] = NO_HEADERS,
    ) -> None:
        """Add a record; `now` is its Kafka timestamp, Unix ms."""
        lane = self._lanes.get((topic, partition))
        batch = lane[-1] if lane else self._new(topic, partition)
        if batch.append(timestamp=now, key=key, value=value, headers=headers) is None:
            batch = self._new(topic, partition)
            batch.append(timestamp=now, key=key, value=value, headers=headers)
        self.records += 1
        self.bytes += len(value or b"")

    def _new(self, topic: str, partition: int) -> BatchBuilder:
        batch: BatchBuilder = self._producer.create_batch()
        self._lanes.setdefault((topic, partition), []).append(batch)
        return batch

    async def flush(self) -> None:
        """
        Send everything and wait until the broker has acknowledged it.

        Raises:
            ChangelogWriteError: A batch was not acknowledged: nothing that depends on it may be committed.
        """
        lanes, self._lanes = self._lanes, {}
        try:
            await asyncio.gather(*(self._send(topic, number, batches) for (topic, number), batches in lanes.items()))
        except KafkaError as exc:
            topics = sorted({topic for topic, _ in lanes})
            raise ChangelogWriteError(
                f"the broker did not acknowledge {', '.join(topics)} ({type(exc).__name__}: {exc}): nothing was "
                "committed; the worker continues from the last commit when it is started again"
            ) from exc

    async def _send(self, topic: str, partition: int, batches: list[BatchBuilder]) -> None:
        """Send one partition's batches; the producer takes the next when the one before is under way."""
        waiting = []
        for batch in batches:
            batch.close()
            waiting.append(await self._producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*waiting)
