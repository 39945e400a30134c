"""The connection to the broker: opened, opened again, and never given up."""

import asyncio
import contextlib
from typing import Final

import stamina
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    UnknownError,
    UnsupportedVersionError,
)

from pipeline.errors import BrokerUnavailableError
from pipeline.kafka import client_options
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

BATCH_BYTES: Final = 262_144
"""A Kafka record batch: large enough to be cheap to read, four times below the broker's usual limit."""
_REQUEST_TIMEOUT_MS: Final = 15_000
_CLOSE_TIMEOUT_S: Final = 1.0

log = get_logger(__name__)


class Connection:
    """One aiokafka producer at a time, replaced when it breaks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idempotent = settings.idempotence
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    @property
    def producer(self) -> AIOKafkaProducer:
        """The producer in use; only after `open`."""
        assert self._producer is not None
        return self._producer

    async def open(self) -> None:
        """
        Create the topics and connect; tries for as long as no broker answers.

        Raises:
            TopicMismatchError: A topic has another partition count than the settings say.
        """
        async for attempt in stamina.retry_context(
            on=BrokerUnavailableError, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                await self._open_once()

    async def reopen(self, broken: AIOKafkaProducer) -> None:
        """Replace a broken producer; returns at once when another caller has done so."""
        async with self._lock:
            if self._producer is broken:
                await _close(broken)
                await self.open()

    async def close(self) -> None:
        """Disconnect, within a second or so; what was not acknowledged is given up."""
        if self._producer is not None:
            await _close(self._producer)
            self._producer = None

    async def _open_once(self) -> None:
        try:
            await ensure_topics(self._settings)
            self._producer = await self._start_producer()
        except (KafkaError, OSError) as exc:
            raise BrokerUnavailableError(f"the broker at {self._settings.broker} does not answer: {exc!r}") from exc

    async def _start_producer(self) -> AIOKafkaProducer:
        try:
            return await self._start(idempotent=self._idempotent)
        except (UnknownError, UnsupportedVersionError, IncompatibleBrokerVersion):
            if not self._idempotent:
                raise
            log.info("the broker has no idempotent producers: going on without", broker=self._settings.broker)
            self._idempotent = False
            return await self._start(idempotent=False)

    async def _start(self, *, idempotent: bool) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        try:
            await producer.start()
        except BaseException:
            await _close(producer)
            raise
        return producer


async def _close(producer: AIOKafkaProducer) -> None:
    # stop() waits for what is under way, which may be for ever.
    with contextlib.suppress(TimeoutError, KafkaError, KafkaConnectionError):
        await asyncio.wait_for(producer.stop(), _CLOSE_TIMEOUT_S)
    await producer.client.close()
