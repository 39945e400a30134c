"""Where the sinks go on in a log that begins from a snapshot, when Redis outlived the log before."""

from bisect import bisect_left
from typing import Final, cast

from redis.exceptions import RedisError

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.connection import connect, redacted
from pipeline.settings import Settings
from pipeline.topics import TOPICS

_TIMEOUT_S: Final = 2.0
_NAMES: Final = {spec.name for spec in TOPICS}


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
        for name, position in (await client.hgetall(keys.SINK)).items():
            place = _place(settings, cast("bytes", name).decode())
            if place is None:
                continue
            if old_offsets is None:
                await client.hdel(keys.SINK, name)
            else:
                await client.hset(keys.SINK, name, str(bisect_left(old_offsets.get(place, []), int(position))))
    except (RedisError, OSError) as exc:
        raise StoreUnavailableError(
            f"Redis does not answer at {redacted(settings.redis)}: start it, or set CLOUT_REDIS; it may hold how far "
            "the sink had read the log before"
        ) from exc
    finally:
        await client.aclose()


def _place(settings: Settings, field: str) -> tuple[str, int] | None:
    """Return the topic without prefix and the partition that a field of the sinks' offsets is of, or None."""
    # Of several that read one topic, all but the first put a name of their own before it.
    topic, _, number = field[max(0, field.find(settings.topic_prefix)) :].rpartition("/")
    name = topic.removeprefix(settings.topic_prefix)
    return (name, int(number)) if name in _NAMES and number.isdecimal() else None
