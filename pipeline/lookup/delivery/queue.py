"""The queue of deliveries in Redis: it outlives every process, and several may work on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.delivery.delivery import Delivery
from pipeline.lookup.scripts import CLAIM_DELIVERIES, ENQUEUE, FINISH_DELIVERY, RELEASE_DESTINATION

LEASE_MS: Final = 6_000
"""A claim that is not renewed ends: who crashed is followed by another after this time."""
LOG_KEPT: Final = 200
"""Deliveries, or alerts, that a log names."""
_KEPT_S: Final = 3 * 86_400
"""Longer than a delivery is tried."""
_DESTINATIONS: Final = 64
_TOGETHER: Final = 8
"""Deliveries of one destination that go out at once."""

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.json.Decoder(Delivery).decode


@dataclass(slots=True)
class Step:
    """What is written at once: how far topics were read, and what follows from it."""

    positions: list[tuple[str, int, int]] = field(default_factory=list)
    """Of each partition: its field, where it began, where it ends."""
    deliveries: list[tuple[Delivery, int]] = field(default_factory=list)
    """Each with when it is due (Unix ms); 0: it is kept in the log alone."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """What the alerter remembers, by field; "" forgets it."""
    log: list[tuple[str, str]] = field(default_factory=list)
    """Entries of logs."""

    def packed(self) -> bytes:
        """Return the argument of the script: text alone, since Redis's own msgpack knows no bytes."""
        deliveries = [
            (each.id, each.destination, due, _encode(each).decode(), keys.delivery_log(each.source))
            for each, due in self.deliveries
        ]
        return _pack((self.positions, deliveries, self.notes, self.log))


class DeliveryQueue:
    """Adds, claims and finishes deliveries; raises what `connection.AWAY` names while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, step: Step) -> bool:
        """Write a step; returns False, having written nothing, where somebody else has read on."""
        return bool(await ENQUEUE.run(self._redis, step.packed(), LOG_KEPT, _KEPT_S))

    async def claim(self, now: int) -> dict[str, list[Delivery]]:
        """Return deliveries due at `now` (Unix ms) by destination: finish each, then release the destination."""
        found = await CLAIM_DELIVERIES.run(self._redis, now, LEASE_MS, _DESTINATIONS, _TOGETHER)
        claimed: dict[str, list[Delivery]] = {}
        for destination, document in zip(found[::2], found[1::2], strict=True):
            claimed.setdefault(destination.decode(), []).append(_decode(document))
        return claimed

    async def finish(self, delivery: Delivery, again_at: int | None) -> None:
        """Note what came of an attempt, and when to try again (Unix ms; None: never)."""
        arguments = (delivery.destination, delivery.id, _encode(delivery), again_at or 0, _KEPT_S)
        await FINISH_DELIVERY.run(self._redis, *arguments)

    async def renew(self, destinations: Iterable[str]) -> None:
        """Keep destinations for as long again."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for destination in destinations:
                pipe.pexpire(keys.delivery_lease(destination), LEASE_MS)
            await pipe.execute()

    async def release(self, destination: str) -> None:
        """Let a destination be claimed again."""
        await RELEASE_DESTINATION.run(self._redis, destination)

    async def log(self, source: str) -> list[Delivery]:
        """Return the deliveries of a subscription or rule, the newest first."""
        found = await cast("Any", self._redis.lrange(keys.delivery_log(source), 0, LOG_KEPT - 1))
        names = [keys.delivery(each.decode()) for each in found]
        documents = await cast("Any", self._redis.mget(names)) if names else []
        return [_decode(document) for document in documents if document is not None]

    async def entries(self, log: str, count: int) -> Sequence[bytes]:
        """Return the newest entries of a log."""
        return cast("list[bytes]", await cast("Any", self._redis.lrange(log, 0, count - 1)))
