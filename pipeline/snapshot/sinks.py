"""Where the sinks go on in a log that begins from a snapshot, when Redis outlived the log before."""

from bisect import bisect_left

from redis.exceptions import RedisError

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import connect, redacted
from pipeline.settings import Settings
from pipeline.topics import TOPICS

_TIMEOUT_S = 2.0


async def move_sinks(settings: Settings, old_offsets: dict[tuple[str, int], list[int]] | None) -> None:
    """
    Translate the sinks' offsets in Redis, if there are any of these topics.

    Args:
        settings: Whose topics and Redis.
        old_offsets: By topic without prefix and partition, the offsets that its first records had in the old log; what
            is not named begins empty. None when the records were apportioned to other partitions: Redis is filled anew.

    Raises:
        StoreUnavailableError: Redis does not answer.
    """
    client = connect(settings.redis, _TIMEOUT_S)
    try:
        stored = await client.hgetall(keys.SINK)
        for spec in TOPICS:
            for number in range(settings.partitions):
                name = keys.offset_field(settings.topic_prefix + spec.name, number)
                if name.encode() not in stored:
                    continue
                if old_offsets is None:
                    await client.hdel(keys.SINK, name)
                    continue
                carried = old_offsets.get((spec.name, number), [])
                await client.hset(keys.SINK, name, str(bisect_left(carried, int(stored[name.encode()]))))
    except (RedisError, OSError) as exc:
        raise StoreUnavailableError(
            f"Redis does not answer at {redacted(settings.redis)}: start it, or set CLOUT_REDIS; it may hold how far "
            "the sink had read the log before"
        ) from exc
    finally:
        await client.aclose()
