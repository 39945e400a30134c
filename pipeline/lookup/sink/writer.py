"""Writes chunks to Redis, and knows from Redis how far it got."""

from collections.abc import Iterable, Sequence
from typing import Final, cast

from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.scripts import FINISH_REBUILD, Script
from pipeline.lookup.sink.chunks import Chunk, Range, packed

_CHECK: Final = Script("check", "reach")


class LostError(Exception):
    """Redis lost some of what was written to it: read again from where it stands."""


class Writer:
    """
    Writes what one lane reads to one Redis; several may do so at once.

    Positions live in Redis and move in the same step as the records:
    what Redis loses, it also forgets to have, and the writer is told.
    """

    def __init__(self, redis: Redis, lane: str, streams: Sequence[str] = ()) -> None:
        self._redis = redis
        self._lane = lane
        self._streams = streams
        self.rebuilding = False
        """Whether Redis is being filled from the beginning: changes are not told one by one."""

    async def positions(self, fields: Iterable[str]) -> dict[str, int]:
        """
        Return the next offset of each partition by its field.

        An unknown partition starts at 0, which begins a rebuild.
        """
        wanted, flag = list(fields), keys.rebuilding_field(self._lane)
        stored = cast("dict[bytes, bytes]", await self._redis.hgetall(keys.SINK))
        missing = [name for name in wanted if name.encode() not in stored]
        if missing:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.SINK, flag, 1)
                for name in missing:
                    pipe.hsetnx(keys.SINK, name, 0)
                await pipe.execute()
        self.rebuilding = bool(missing) or flag.encode() in stored
        return {name: int(stored.get(name.encode(), 0)) for name in wanted}

    async def write(self, chunk: Chunk) -> bytes:
        """
        Write a chunk, all of it or nothing.

        Returns:
            One character per record: `1` taken, `0` not newer than what Redis has.

        Raises:
            LostError: Redis has not everything before this chunk.
            redis.exceptions.RedisError: Redis is away; the chunk may be written again without harm.
        """
        argument = packed(chunk.ranges, chunk.writes, quiet=self.rebuilding)
        fates: bytes | None = await chunk.outlet.script.run(self._redis, argument)
        if fates is None:
            raise LostError
        return fates

    async def check(self, ranges: list[Range]) -> None:
        """
        Ask whether Redis still has everything before `ranges`.

        Raises:
            LostError: It has not.
        """
        if await _CHECK.run(self._redis, packed(ranges, (), quiet=True)) is None:
            raise LostError

    async def finish_rebuild(self) -> bool:
        """End a rebuild with one reset; False when another writer did so before."""
        self.rebuilding = False
        return bool(await FINISH_REBUILD.run(self._redis, self._lane, *self._streams))

    async def rewind(self, name: str, position: int) -> None:
        """Put a partition's offset back, because its log begins anew."""
        await self._redis.hset(keys.SINK, name, str(position))

    async def mark_caught_up(self, time: int) -> None:
        """Note that at `time` (Unix ms) Redis had everything that the log had."""
        await self._redis.hset(keys.SINK, keys.caught_up_field(self._lane), str(time))
