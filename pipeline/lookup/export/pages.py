"""Everyone in Redis, page by page, each once, while scores move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, cast

from redis.asyncio import Redis

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import AWAY, connect, redacted

PAGE: Final = 2_000
"""Users a round trip: some megabytes of documents, and a few milliseconds of Redis' time."""
_TIMEOUT_S: Final = 20.0
"""For a whole page; nobody waits for it at a screen."""

Page = list[tuple[str, bytes]]


class Pages:
    """
    The users that have a score, with a string of each.

    A scan meets everyone who is there from its beginning to its end, some of them twice: whom it met is remembered, at
    100 bytes a user. Each string is as it was when its page was read.
    """

    def __init__(self, redis: Redis, url: str, key: Callable[[str], str]) -> None:
        """
        Prepare to read.

        Args:
            redis: A client of `url`.
            url: The address, for messages.
            key: The key of a user's string.
        """
        self._redis = redis
        self._url = redacted(url)
        self._key = key
        self._met: set[str] = set()
        self.met = 0
        """Users so far."""

    async def total(self) -> int:
        """Return how many users there are now."""
        async with self._answer():
            return int(await cast("Any", self._redis.hlen(keys.HEADS)))

    async def __aiter__(self) -> AsyncIterator[Page]:
        """
        Yield the pages; the next is read while one is worked on.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        cursor, page = await self._read(0)
        while True:
            ahead = asyncio.create_task(self._read(cursor)) if cursor else None
            try:
                yield page
            except BaseException:
                if ahead is not None:
                    ahead.cancel()
                raise
            if ahead is None:
                return
            cursor, page = await ahead

    async def _read(self, cursor: int) -> tuple[int, Page]:
        async with self._answer():
            after, heads = await cast("Any", self._redis.hscan(keys.HEADS, cursor, count=PAGE))
            users = [user for name in heads if (user := name.decode()) not in self._met]
            self._met.update(users)
            self.met += len(users)
            values = await cast("Any", self._redis.mget([self._key(user) for user in users])) if users else []
        # Who was forgotten meanwhile has nothing any more.
        return int(after), [(user, value) for user, value in zip(users, values, strict=True) if value is not None]

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[None]:
        try:
            yield
        except AWAY as exc:
            raise StoreUnavailableError(f"Redis does not answer at {self._url}: start one, or set CLOUT_REDIS") from exc


@asynccontextmanager
async def everyone(url: str, key: Callable[[str], str]) -> AsyncIterator[Pages]:
    """Connect, and disconnect in the end; `key` names each user's string."""
    async with aclosing(connect(url, _TIMEOUT_S)) as redis:
        yield Pages(redis, url, key)
