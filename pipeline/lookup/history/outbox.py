"""
The outbox: what `clout.history` must be told of, kept in Redis until the broker has acknowledged it.

It is filled in the step that stores the later score and the offset: a crash loses nothing, and what is sent twice
says the same.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec
import stamina
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from pipeline.kafka import client_options
from pipeline.lookup import keys
from pipeline.lookup.history.series import DAY_MS
from pipeline.metrics import HISTORY_PUBLISHED
from pipeline.settings import Settings
from schemas import HistoryPoint

_PAGE: Final = 1000
_LINGER_MS: Final = 20

Entries = list[tuple[bytes, dict[bytes, bytes]]]

_encode = msgspec.json.Encoder().encode


def points_of(entry: str) -> Iterator[tuple[str, HistoryPoint | None]]:
    """Yield the user and the points that an entry of the outbox stands for; None: the history has ended."""
    version, time, hundredths, next_time, user = entry.split(" ", 4)
    if time == "0":
        yield user, None
        return
    point = HistoryPoint(user, "hour", int(time), int(hundredths) / 100, int(version))
    yield user, point
    if point.time // DAY_MS < int(next_time) // DAY_MS:
        yield user, msgspec.structs.replace(point, resolution="day")


class Outbox:
    """Empties the outbox into the topic; waits for the broker for as long as it is away."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._topic = settings.topic_prefix + "history"
        self._producer: AIOKafkaProducer | None = None

    async def empty(self) -> None:
        """
        Send all that waits.

        Raises:
            redis.exceptions.RedisError: Redis is away; what was not sent waits there.
        """
        while True:
            waiting = cast("Entries", await self._redis.xrange(keys.HISTORY_OUTBOX, count=_PAGE))
            if not waiting:
                return
            await self._deliver([told for _, entry in waiting for told in points_of(entry[b"told"].decode())])
            # By their ids: another sink may have sent the same and gone further.
            await self._redis.xdel(keys.HISTORY_OUTBOX, *(entry_id for entry_id, _ in waiting))
            if len(waiting) < _PAGE:
                return

    async def _deliver(self, told: Sequence[tuple[str, HistoryPoint | None]]) -> None:
        async for attempt in stamina.retry_context(on=(KafkaError, OSError), attempts=None, timeout=None, wait_max=3.0):
            with attempt:
                producer = await self._started()
                sent = [
                    await producer.send(self._topic, _encode(point) if point else None, key=user.encode())
                    for user, point in told
                ]
                await asyncio.gather(*sent)
        HISTORY_PUBLISHED.inc(len(told))

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**client_options(self._settings), acks="all", linger_ms=_LINGER_MS)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()
