"""
The mirror of the control records in Redis, for a service that starts while Kafka is away.

One hash, id to record. Whoever follows the topic writes it, several may: a record's bytes are the same from each,
and who is behind by a moment is corrected by who is not, since each writes what it reads, in the order of the topic.
"""

from typing import Any, cast

from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.connection import AWAY


class Mirror:
    """Reads and writes the hash."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def load(self) -> dict[str, bytes]:
        """Return every record by its id, none while Redis is away."""
        try:
            stored = await cast("Any", self._redis.hgetall(keys.CONTROL))
        except AWAY:
            return {}
        return {name.decode(): value for name, value in stored.items()}

    async def write(self, changes: dict[str, bytes | None]) -> bool:
        """Write records, None to delete one; returns False while Redis is away."""
        kept = {name: value for name, value in changes.items() if value is not None}
        gone = [name for name, value in changes.items() if value is None]
        async with self._redis.pipeline(transaction=True) as pipe:
            if kept:
                pipe.hset(keys.CONTROL, mapping=cast("Any", kept))
            if gone:
                pipe.hdel(keys.CONTROL, *gone)
            try:
                await pipe.execute()
            except AWAY:
                return False
        return True
