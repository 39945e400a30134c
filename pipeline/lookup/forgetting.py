"""Takes a user out of what only Redis remembers: the stream of spikes, and what alerts said of them."""

from collections.abc import Iterable
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis

from pipeline.lookup import keys

_PAGE: Final = 1_000


async def forget_told(redis: Redis, user: str, owners: Iterable[str]) -> None:
    """
    Delete the spikes and the log entries that name a user.

    Args:
        redis: The store.
        user: Who is forgotten.
        owners: Whose alert logs there are.
    """
    name = msgspec.json.encode(user)
    await cast("Any", redis.hdel(keys.SPIKED, user))
    first = "-"
    while page := cast("list[tuple[bytes, dict[bytes, bytes]]]", await redis.xrange(keys.SPIKES, first, "+", _PAGE)):
        told = [entry for entry, fields in page if any(name in value for value in fields.values())]
        if told:
            await redis.xdel(keys.SPIKES, *told)
        first = f"({page[-1][0].decode()}"
    for log in map(keys.alert_log, owners):
        for entry in await cast("Any", redis.lrange(log, 0, -1)):
            if name in entry:
                await cast("Any", redis.lrem(log, 0, entry))
