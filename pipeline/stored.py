"""The documents in Redis, as the oracle compares them with the scores topic."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiokafka import TopicPartition
from redis.exceptions import RedisError

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import redacted
from pipeline.pending import Newer
from schemas import ScoreDocument

PATIENCE_S: Final = 30.0
"""A sink that runs has written within this time what the topic had; of one that does not, the differences tell."""
_LOOK_S: Final = 0.05
_AT_ONCE: Final = 1_000


class _Version(msgspec.Struct):
    version: int


_VERSION: Final = msgspec.json.Decoder(_Version)
_DOCUMENT: Final = msgspec.json.Decoder(ScoreDocument)


@dataclass(slots=True)
class Comparison:
    """What a comparison of a partition found."""

    differences: list[str] = field(default_factory=list)
    newer: dict[str, Newer] = field(default_factory=dict)
    """By user, documents of a higher version: written since the topic was read, or never in it."""


class Stored:
    """The documents in Redis."""

    def __init__(self, url: str, patience_s: float = PATIENCE_S) -> None:
        from redis.asyncio import Redis

        self._url = url
        self._redis = Redis.from_url(url)
        self._patience_s = patience_s

    async def compare(self, scores: TopicPartition, end: int, newest: Mapping[bytes, bytes]) -> Comparison:
        """
        Compare Redis with the newest documents of a partition, byte for byte but for what tells when they were sent.

        Traffic goes on meanwhile: Redis is asked when the sink has written what the topic had, and a document of a
        higher version may have come later.

        Args:
            scores: The partition of the scores topic.
            end: Up to which offset it was read.
            newest: By user, the newest document there.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        found, users = Comparison(), list(newest)
        try:
            await self._arrival(keys.offset_field(scores.topic, scores.partition), end)
            for start in range(0, len(users), _AT_ONCE):
                chunk = users[start : start + _AT_ONCE]
                held = await self._redis.mget([b"clout:user:" + user for user in chunk])
                for user, value in zip(chunk, held, strict=True):
                    if value == newest[user] or _is_sent_again(value, newest[user]):
                        continue
                    if isinstance(value, bytes) and (version := _version(value)) > _version(newest[user]):
                        found.newer[user.decode()] = Newer(version, value)
                    else:
                        found.differences.append(f"{user.decode()}: Redis holds {value!r}, the topic {newest[user]!r}")
        except RedisError as exc:
            raise StoreUnavailableError(f"Redis does not answer at {redacted(self._url)}: {exc}") from exc
        return found

    async def _arrival(self, place: str, end: int) -> None:
        """Wait until the sink has read this far, with patience."""
        for _ in range(round(self._patience_s / _LOOK_S)):
            if int(await self._redis.hget(keys.SINK, place) or 0) >= end:
                return
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Let the connection go."""
        await self._redis.aclose()


def _is_sent_again(held: object, newest: bytes) -> bool:
    """Tell whether two documents are one: after a crash some are sent again, and Redis keeps the first of a version."""
    try:
        first, last = (_DOCUMENT.decode(each) for each in (held, newest) if isinstance(each, bytes))
    except (ValueError, msgspec.MsgspecError):
        return False
    # When it was sent, and after which one, is all that differs.
    return msgspec.structs.replace(first, time=last.time, previous=last.previous) == last


def _version(document: bytes) -> int:
    try:
        return _VERSION.decode(document).version
    except msgspec.MsgspecError:
        # Whatever that is, it is not newer.
        return -1
