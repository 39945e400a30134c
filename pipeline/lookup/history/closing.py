"""Finds the points that close an hour or a day, and writes them to `clout.history` before later ones are stored."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import stamina
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from pipeline.kafka import client_options
from pipeline.lookup.history.series import DAY_MS, HOUR_MS, Point, Series
from pipeline.lookup.scripts import Script
from pipeline.lookup.sink.outlet import Write
from pipeline.settings import Settings
from schemas import HistoryPoint

_CLOSING: Final = Script("closing_history")
_LINGER_MS: Final = 20

_encode = msgspec.json.Encoder().encode


class Stamped(msgspec.Struct, frozen=True, gc=False):
    """A point with the version of its user's newest document by then."""

    point: Point
    version: int


def closed(user: str, points: Iterable[Stamped]) -> Iterator[HistoryPoint]:
    """Yield the points that another one of a later hour or day follows; `points` oldest first."""
    last: Stamped | None = None
    for stamped in points:
        if last is not None:
            (before, score), time = last.point, stamped.point.time
            if score == stamped.point.score or time < before:
                continue
            if before // HOUR_MS < time // HOUR_MS:
                yield HistoryPoint(user, "hour", before, score, last.version)
            if before // DAY_MS < time // DAY_MS:
                yield HistoryPoint(user, "day", before, score, last.version)
        last = stamped


async def closed_by(redis: Redis, writes: Sequence[Write]) -> list[HistoryPoint]:
    """Return the points that `writes`, in their order, close: stored ones, and ones among themselves."""
    new = _by_user(writes)
    stored = await _stored_before(redis, new)
    return [
        point
        for user, points in new.items()
        if points
        for point in closed(user, [stored[user], *points] if user in stored else points)
    ]


def forgotten(writes: Sequence[Write]) -> list[str]:
    """Return the users whom tombstones among `writes` end."""
    return [write.subject for write in writes if write.version is None]


def _by_user(writes: Sequence[Write]) -> dict[str, list[Stamped]]:
    found: dict[str, list[Stamped]] = {}
    for write in writes:
        if write.version is not None:
            user, version, time, hundredths, _ = write.columns
            found.setdefault(str(user), []).append(Stamped(Point(int(time), int(hundredths) / 100), int(version)))
    return found


async def _stored_before(redis: Redis, new: dict[str, list[Stamped]]) -> dict[str, Stamped]:
    """Return the last stored point of those users whose first new one is of a later hour."""
    users = list(new)
    arguments: list[str | int] = []
    for user, points in new.items():
        first = points[0].point
        arguments += (user, first.time, round(first.score * 100))
    answer = await _CLOSING.run(redis, *arguments) if users else []
    found = {}
    for place, version, point in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
        series = Series.decode(version + point)
        found[users[place]] = Stamped(series.points[0], series.version)
    return found


class HistoryLog:
    """Writes to `clout.history`; waits for the broker for as long as it is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic_prefix + "history"
        self._producer: AIOKafkaProducer | None = None

    async def write(self, points: Sequence[HistoryPoint], ended: Sequence[str] = ()) -> None:
        """Write points, and tombstones of users whose history has ended; return when all are acknowledged."""
        records = [(point.user.encode(), _encode(point)) for point in points] + [
            (user.encode(), None) for user in ended
        ]
        if not records:
            return
        async for attempt in stamina.retry_context(on=(KafkaError, OSError), attempts=None, timeout=None, wait_max=3.0):
            with attempt:
                await self._send(records)

    async def _send(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        producer = await self._started()
        acknowledged = [await producer.send(self._topic, value, key=key) for key, value in records]
        await asyncio.gather(*acknowledged)

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
