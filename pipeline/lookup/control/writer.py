"""Writes control records to the topic and waits until the broker has them."""

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.errors import BrokerUnavailableError
from pipeline.kafka import client_options
from pipeline.lookup.control.table import encode
from pipeline.partitioner import partitions_of
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from schemas import Control

BROADCAST: Final = ("forgotten:", "override:")
"""Ids of what every partition of the fold must know: written to each."""
_ANSWER_S: Final = 5.0


class ControlWriter:
    """Writes one record at a time; connects when it is first used, and again after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic_prefix + "control"
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def put(self, record: Control) -> dict[int, int]:
        """
        Write a record, in the place of an earlier one of its id.

        Returns:
            The offset it has in each partition that it was written to.

        Raises:
            BrokerUnavailableError: The broker did not acknowledge it; it may have been written all the same.
        """
        return await self._write(record.id, encode(record))

    async def delete(self, record_id: str) -> dict[int, int]:
        """
        Take a record back by a tombstone.

        Raises:
            BrokerUnavailableError: As `put`.
        """
        return await self._write(record_id, None)

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(producer.stop(), 1.0)

    async def _write(self, record_id: str, value: bytes | None) -> dict[int, int]:
        key = record_id.encode()
        async with self._lock:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    producer = await self._connected()
                    sent = [
                        await producer.send(self._topic, value, key=key, partition=part) for part in self._parts(key)
                    ]
                    acknowledged = await asyncio.gather(*sent)
            except (KafkaError, OSError, TimeoutError, AssertionError) as exc:
                await self.close()
                raise BrokerUnavailableError(
                    f"the broker at {self._settings.broker} did not take the record: try again"
                ) from exc
        return {metadata.partition: metadata.offset for metadata in acknowledged}

    def _parts(self, key: bytes) -> list[int]:
        count = self._settings.partitions
        if key.decode().startswith(BROADCAST):
            return list(range(count))
        return [int(partition) for partition in partitions_of([key], count)]

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            await ensure_topics(self._settings)
            producer = AIOKafkaProducer(
                **client_options(self._settings), acks="all", enable_idempotence=self._settings.idempotence
            )
            self._producer = producer
            await producer.start()
        return self._producer
