"""Deliveries to a topic of the same cluster."""

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.kafka import client_options
from pipeline.lookup.delivery.delivery import Delivery
from pipeline.lookup.delivery.outcome import Outcome
from pipeline.settings import Settings
from schemas import KafkaChannel

_ATTEMPT_S: Final = 10.0


class TopicSender:
    """Produces; connects when it is first used. The topic must exist, or the broker must create it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def send(self, delivery: Delivery, channel: KafkaChannel) -> Outcome:
        """Try once."""
        if channel.topic.startswith(self._settings.topic_prefix):
            return Outcome("gone", "alerts cannot go to the pipeline's own topics")
        try:
            async with asyncio.timeout(_ATTEMPT_S), self._lock:
                producer = await self._connected()
                await producer.send_and_wait(channel.topic, delivery.body.encode(), key=delivery.id.encode())
        except (KafkaError, OSError, TimeoutError, AssertionError) as exc:
            await self.close()
            return Outcome("retry", str(exc) or type(exc).__name__)
        return Outcome("delivered", "acknowledged by the broker")

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(producer.stop(), 1.0)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **client_options(self._settings), acks="all", enable_idempotence=self._settings.idempotence
            )
            await self._producer.start()
        return self._producer
