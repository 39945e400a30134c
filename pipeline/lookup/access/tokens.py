"""
Short-lived tokens: they stand for a key where no header can be sent, as in browsers' EventSource.

They live in Redis, by their hash, for five minutes: what a log of addresses leaks is soon of no use.
"""

import hashlib
import secrets
from typing import Any, Final, cast

from redis.asyncio import Redis

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import AWAY

LIFETIME_S: Final = 300
_PREFIX: Final = "clout_token_"


class Tokens:
    """Issues tokens and finds the key behind one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, key_id: str) -> str:
        """
        Return a new token for a key.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        token = _PREFIX + secrets.token_urlsafe(32)
        try:
            await self._redis.set(keys.token(_hash(token)), key_id, ex=LIFETIME_S)
        except AWAY as exc:
            raise StoreUnavailableError("Redis does not answer: no token can be issued") from exc
        return token

    async def key_of(self, token: str) -> str | None:
        """
        Return the id of the key that a token stands for, or None when it is unknown or has expired.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        try:
            found = await cast("Any", self._redis.get(keys.token(_hash(token))))
        except AWAY as exc:
            raise StoreUnavailableError("Redis does not answer: tokens cannot be checked") from exc
        return None if found is None else found.decode()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
