"""Writes chunks to Redis, and knows from Redis how far it got."""

from collections.abc import Iterable
from typing import Final, cast

from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.chunks import Chunk, Range
from pipeline.lookup.scripts import APPLY, FINISH_REBUILD

CHANGES_KEPT: Final = 100_000
"""Entries of the stream of changes: some 30 MB, and 10 s of resume at the greatest rate, hours at a usual one."""
INFLUENCERS_KEPT: Final = 200
"""Users kept for each actor in the inversion of details."""

_REBUILDING: Final = b"rebuilding"


class LostError(Exception):
    """Redis lost some of what was written to it: read again from where it stands."""


class Writer:
    """
    Writes to one Redis; several may do so at once.

    Positions live in Redis and move in the same step as the documents:
    what Redis loses, it also forgets to have, and the writer is told.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.rebuilding = False
        """Whether Redis is being filled from the beginning: changes are not told one by one."""

    async def positions(self, fields: Iterable[str]) -> dict[str, int]:
        """
        Return the next offset of each partition by its field.

        An unknown partition starts at 0, which begins a rebuild.
        """
        wanted = list(fields)
        stored = cast("dict[bytes, bytes]", await self._redis.hgetall(keys.SINK))
        missing = [name for name in wanted if name.encode() not in stored]
        if missing:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.SINK, _REBUILDING, 1)
                for name in missing:
                    pipe.hsetnx(keys.SINK, name, 0)
                await pipe.execute()
        self.rebuilding = bool(missing) or _REBUILDING in stored
        return {name: int(stored.get(name.encode(), 0)) for name in wanted}

    async def write(self, chunk: Chunk) -> bytes:
        """
        Write a chunk, all of it or nothing.

        Returns:
            One character per score, then per details: `1` taken, `0` not newer than what Redis has.

        Raises:
            LostError: Redis has not everything before this chunk.
            redis.exceptions.RedisError: Redis is away; the chunk may be written again without harm.
        """
        arguments = chunk.arguments(quiet=self.rebuilding, changes_kept=CHANGES_KEPT, influencers_kept=INFLUENCERS_KEPT)
        fates: bytes | None = await APPLY.run(self._redis, *arguments)
        if fates is None:
            raise LostError
        return fates

    async def check(self, ranges: list[Range]) -> None:
        """
        Ask whether Redis still has everything before `ranges`.

        Raises:
            LostError: It has not.
        """
        await self.write(Chunk(ranges=ranges))

    async def finish_rebuild(self) -> bool:
        """End a rebuild with one reset; False when another writer did so before."""
        self.rebuilding = False
        return bool(await FINISH_REBUILD.run(self._redis, CHANGES_KEPT))

    async def rewind(self, name: str, position: int) -> None:
        """Put a partition's offset back, because its log begins anew."""
        await self._redis.hset(keys.SINK, name, str(position))

    async def mark_caught_up(self, time: int) -> None:
        """Note that at `time` (Unix ms) Redis had everything that the log had."""
        await self._redis.hset(keys.SINK, "caught_up", str(time))
