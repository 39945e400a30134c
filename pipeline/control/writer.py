"""Writes control records to the topic and waits until the broker has them."""

import asyncio
import contextlib
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.control.table import encode
from pipeline.errors import BrokerUnavailableError
from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from schemas import Control, Profile, network_of

_ANSWER_S: Final = 5.0


class Place(NamedTuple):
    """Where a record stands in the topic."""

    partition: int
    offset: int


class ControlWriter:
    """Writes one record at a time; connects when it is first used, and again after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def put(self, record: Control) -> Place:
        """
        Write a record, instead of an earlier one of its id.

        Raises:
            BrokerUnavailableError: The broker did not acknowledge it; it may have been written all the same.
        """
        return await self._write("control", record.id, encode(record))

    async def delete(self, record_id: str) -> Place:
        """
        Take a record back by a tombstone.

        Raises:
            BrokerUnavailableError: As `put`.
        """
        return await self._write("control", record_id, None)

    async def blank_profile(self, user: str, time: int) -> None:
        """
        Publish a profile of a user that says nothing, as of `time` (Unix ms).

        Raises:
            BrokerUnavailableError: As `put`.
        """
        await self._write("profiles", user, encode(Profile(user, network_of(user), time)))

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(producer.stop(), 1.0)

    async def _write(self, topic: str, key: str, value: bytes | None) -> Place:
        name = self._settings.topic_prefix + topic
        async with self._lock:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    producer = await self._connected()
                    metadata = await producer.send_and_wait(name, value, key=key.encode())
            except (KafkaError, OSError, TimeoutError, AssertionError) as exc:
                await self.close()
                raise BrokerUnavailableError(
                    f"the broker at {self._settings.broker} did not take the record: try again"
                ) from exc
        return Place(metadata.partition, metadata.offset)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            await ensure_topics(self._settings)
            producer = AIOKafkaProducer(
                **client_options(self._settings), acks="all", enable_idempotence=self._settings.idempotence
            )
            self._producer = producer
            await producer.start()
        return self._producer
