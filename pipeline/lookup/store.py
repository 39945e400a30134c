"""What the lookup service, the commands and the demo read in Redis."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.batcher import Batcher
from pipeline.lookup.connection import AWAY, connect, redacted
from pipeline.lookup.deadline import within
from pipeline.lookup.scripts import RANK_PAGE
from pipeline.lookup.stream import Page, Stream
from pipeline.lookup.walk import MOVES_READ, Place
from pipeline.settings import Settings
from schemas import ScoreDocument

_TIMEOUT_S: Final = 0.4
_ANSWER_S: Final = 0.9
"""A reader is told within a second that Redis is away, whatever the client tries meanwhile."""

_FRESHNESS: Final = ("newest", keys.caught_up_field(keys.LIVE_LANE), keys.rebuilding_field(keys.LIVE_LANE))

_decode_document = msgspec.json.Decoder(ScoreDocument).decode


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a leaderboard: the score and the user seen last."""

    score: float
    user: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError("a score is finite")


@dataclass(frozen=True, slots=True)
class Ranked:
    """One entry of a leaderboard; ranks begin at 1."""

    rank: int
    user: str
    score: float
    document: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a walk: the moves that were told since the last, and who stands next, best first."""

    moves: Page
    users: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old what Redis has may be; None where no sink has told yet."""

    newest: int | None
    """When the newest score was computed, Unix ms."""
    caught_up: int | None
    """When Redis last had everything that the log had, Unix ms."""
    rebuilding: bool
    """Whether Redis is being filled from the beginning."""


class ScoreStore:
    """
    Reads scores; every method raises `StoreUnavailableError` within a second when Redis is away.

    Documents are the bytes that the worker wrote.
    """

    def __init__(self, redis: Redis, url: str = "") -> None:
        self.redis = redis
        self._url = redacted(url)
        self._documents = Batcher(self._mget)
        self._changes = Stream(redis, keys.CHANGES)
        self.on_read: Callable[[str, bytes], None] = lambda _user, _document: None
        """Is told of each document that `get_many` returns."""

    @classmethod
    def from_url(cls, url: str) -> "ScoreStore":
        """Return a store that connects when it is first used."""
        return cls(connect(url, _TIMEOUT_S), url)

    @classmethod
    def from_settings(cls, settings: Settings) -> "ScoreStore":
        """Return a store for `settings.redis`."""
        return cls.from_url(settings.redis)

    async def aclose(self) -> None:
        """Disconnect."""
        await self.redis.aclose()

    async def ping(self) -> None:
        """Ask whether Redis answers; a thousand who ask at once cost one call."""
        await self._documents.get(keys.RANK)

    async def values(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the string at each key, or None, in their order."""
        return await self._mget(names)

    async def get(self, user: str) -> bytes | None:
        """Return a user's score document, or None."""
        return await self._documents.get(keys.user(user))

    async def details(self, user: str) -> bytes | None:
        """Return a user's details document, or None."""
        return await self._documents.get(keys.details(user))

    async def get_many(self, users: Sequence[str]) -> list[bytes | None]:
        """Return the score document of each user, or None, in their order."""
        documents = await self._mget([keys.user(user) for user in users])
        for user, document in zip(users, documents, strict=True):
            if document is not None:
                self.on_read(user, document)
        return documents

    async def scores(self, users: Sequence[str]) -> list[float | None]:
        """Return the score of each user, or None, in their order."""
        if not users:
            return []
        async with self._answer():
            found = await cast("Any", self.redis.execute_command("ZMSCORE", keys.RANK, *users))  # type: ignore[no-untyped-call]
        return [None if score is None else float(score) for score in found]

    async def influencers(self, user: str, limit: int) -> list[tuple[str, int]]:
        """Return those whom a user engages with most, and how often."""
        async with self._answer():
            found = await self.redis.zrevrange(keys.influencers(user), 0, limit - 1, withscores=True)
        return [(member.decode(), int(count)) for member, count in cast("list[tuple[bytes, float]]", found)]

    async def top(self, limit: int = 10, network: str | None = None, after: Position | None = None) -> list[Ranked]:
        """Return a page of a leaderboard, best first, behind `after`."""
        cursor = (repr(after.score), after.user) if after else ("", "")
        async with self._answer():
            first, *page = await RANK_PAGE.run(self.redis, keys.rank(network), limit, *cursor)
        users = [member.decode() for member in page[::2]]
        documents = await self.get_many(users)
        return [
            Ranked(rank, user, float(score), document)
            for rank, (user, score, document) in enumerate(zip(users, page[1::2], documents, strict=True), first + 1)
            if document is not None
        ]

    async def newest_change(self) -> str:
        """Return the id of the newest entry of the stream of changes."""
        async with self._answer():
            return await self._changes.last()

    async def step(self, place: Place, limit: int) -> Step:
        """Return what moved since a walk stood at a place, and who stands next, both of the same moment."""
        arguments = keys.RANK, limit, repr(place.score), place.user
        async with self._answer():
            async with self.redis.pipeline(transaction=True) as pipe:
                self._changes.queue(pipe, place.seen, MOVES_READ)
                RANK_PAGE.queue(pipe, *arguments)
                info, moves, page = await pipe.execute(raise_on_error=False)
            if isinstance(page, NoScriptError):
                await RANK_PAGE.run(self.redis, *arguments)  # which makes it known
                return await self.step(place, limit)
        if isinstance(page, Exception):
            raise page
        users = [(user.decode(), float(score)) for user, score in zip(page[1::2], page[2::2], strict=True)]
        return Step(self._changes.read(info, moves, place.seen), users)

    async def with_handle(self, handle: str, network: str | None = None) -> list[str]:
        """Return the users with a handle, of one network or of all."""
        async with self._answer():
            found = cast("set[bytes]", await cast("Any", self.redis.smembers(keys.NETWORKS))) if network is None else ()
        networks = sorted(name.decode() for name in found) if network is None else [network]
        return [user.decode() for user in await self._mget([keys.handle(name, handle) for name in networks]) if user]

    async def in_topic(self, slug: str, users: Sequence[str]) -> list[str]:
        """Return those of users who stand under a topic, in their order."""
        if not users:
            return []
        async with self._answer():
            found = await cast("Any", self.redis.execute_command("ZMSCORE", keys.topic(slug), *users))  # type: ignore[no-untyped-call]
        return [user for user, score in zip(users, found, strict=True) if score is not None]

    async def topic_size(self, slug: str) -> int:
        """Return how many users stand under a topic."""
        async with self._answer():
            return int(await self.redis.zcard(keys.topic(slug)))

    async def freshness(self) -> Freshness:
        """Return what the sink last noted."""
        async with self._answer():
            newest, caught_up, rebuilding = await cast("Any", self.redis.hmget(keys.SINK, _FRESHNESS))
        return Freshness(
            newest=None if newest is None else int(newest),
            caught_up=None if caught_up is None else int(caught_up),
            rebuilding=rebuilding is not None,
        )

    async def _mget(self, names: Sequence[str]) -> list[bytes | None]:
        if not names:
            return []
        async with self._answer():
            return cast("list[bytes | None]", await self.redis.mget(names))

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[None]:
        try:
            async with within(_ANSWER_S):
                yield
        except (*AWAY, TimeoutError) as exc:
            raise StoreUnavailableError(f"Redis does not answer at {self._url}: start one, or set CLOUT_REDIS") from exc
