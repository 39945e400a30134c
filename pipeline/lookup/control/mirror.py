"""
The mirror of the control records in Redis, for a service that starts while Kafka is away.

One hash, id to record. Whoever follows the topic writes it, several may: a record's bytes are the same from each,
and who is behind by a moment is corrected by who is not, since each writes what it reads, in the order of the topic.
"""

from typing import Any, cast

from redis.asyncio import Redis

from pipeline.lookup import keys


class Mirror:
    """Reads and writes the hash; every method raises what `connection.AWAY` names while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def load(self) -> dict[str, bytes]:
        """Return every record by its id."""
        stored = await cast("Any", self._redis.hgetall(keys.CONTROL))
        return {name.decode(): value for name, value in stored.items()}

    async def write(self, changes: dict[str, bytes | None]) -> None:
        """Write records, None to delete one."""
        kept = {name: value for name, value in changes.items() if value is not None}
        gone = [name for name, value in changes.items() if value is None]
        async with self._redis.pipeline(transaction=True) as pipe:
            if kept:
                pipe.hset(keys.CONTROL, mapping=cast("Any", kept))
            if gone:
                pipe.hdel(keys.CONTROL, *gone)
            await pipe.execute()
