"""
Limits: token buckets in Redis, so that all services of a deployment share them.

A service takes tokens ahead, as many as a tenth of a second brings, and spends them itself:
a busy key costs ten round trips a second and not one a request.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from pipeline.logs import get_logger
from pipeline.lookup import keys
from pipeline.lookup.connection import AWAY
from pipeline.lookup.scripts import TAKE_TOKENS

log = get_logger(__name__)

BURST_S: Final = 2.0
"""A bucket holds what this time brings: a page that loads may ask for a lot at once."""
_AHEAD_S: Final = 0.1
"""Tokens are taken for this time ahead, .."""
_KEPT_S: Final = 1.0
""".. and what was not spent after this one is not used any more: the bucket has refilled."""
_OPEN_S: Final = 1.0
"""While Redis is away nobody is limited, and it is asked again after this time."""
_NAMES: Final = 20_000


@dataclass(slots=True)
class _Lease:
    left: int = 0
    until: float = 0.0
    blocked_until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limiter:
    """Takes tokens; without Redis it lets everyone pass, since nothing can be read then anyway."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._now = now
        self._leases: dict[str, _Lease] = {}
        self._open_until = 0.0

    async def take(self, name: str, per_s: float, count: int = 1) -> float:
        """
        Take `count` tokens of the bucket `name`, all or none.

        Returns:
            0 when they were there, else the seconds until they will be.
        """
        lease = self._leases.get(name) or self._new_lease(name)
        wait_s = self._known(lease, count)
        if wait_s is not None:
            return wait_s
        # One asks for all who come meanwhile: each would take tokens ahead, until none are left for anybody.
        async with lease.asking:
            wait_s = self._known(lease, count)
            return await self._ask(name, lease, per_s, count) if wait_s is None else wait_s

    def _known(self, lease: _Lease, count: int) -> float | None:
        """Return what `take` does where Redis need not be asked, else None."""
        now = self._now()
        if lease.left >= count and now < lease.until:
            lease.left -= count
            return 0.0
        if count == 1 and now < lease.blocked_until:
            return lease.blocked_until - now
        return 0.0 if now < self._open_until else None

    async def _ask(self, name: str, lease: _Lease, per_s: float, count: int) -> float:
        burst = max(1.0, per_s * BURST_S)
        wanted = max(count, math.floor(per_s * _AHEAD_S))
        try:
            taken, wait_ms = await TAKE_TOKENS.run(self._redis, keys.limit(name), per_s, burst, wanted, count)
        except AWAY as exc:
            log.warning("requests are not limited: Redis does not answer", reason=str(exc))
            self._open_until = self._now() + _OPEN_S
            return 0.0
        now = self._now()
        if not taken:
            lease.blocked_until = now + wait_ms / 1000
            return float(wait_ms) / 1000
        # Others may have asked meanwhile: what they took ahead is not lost.
        lease.left = (lease.left if now < lease.until else 0) + taken - count
        lease.until = now + _KEPT_S
        return 0.0

    def _new_lease(self, name: str) -> _Lease:
        if len(self._leases) >= _NAMES:
            now = self._now()
            self._leases = {
                other: lease for other, lease in self._leases.items() if max(lease.until, lease.blocked_until) > now
            }
        lease = self._leases[name] = _Lease()
        return lease
