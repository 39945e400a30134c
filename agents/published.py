"""What came in by HTTP, kept in Redis: whichever process gets the undo repeats the stamps of what it withdraws."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pipeline.logs import get_logger
from pipeline.settings import Settings
from schemas import Engagement

log = get_logger(__name__)

_SHELF: Final = 20_000
_SHELVES: Final = 10
"""
The newest 180,000 to 200,000 events, some 70 MB when all come by HTTP: as many as an agent remembers in its process.
They stand on shelves, so that the oldest go without a search for them.
"""
_TTL_S: Final = 90 * 86_400
"""The longest window: what is withdrawn later counts nowhere any more."""
_TIMEOUT_S: Final = 1.0

_KEEP: Final = """
local entries, size, shelves, ttl = unpack(cmsgpack.unpack(ARGV[1]))
local newest = tonumber(redis.call('GET', 'clout:published') or '0')
local shelf = 'clout:published:' .. newest
for _, entry in ipairs(entries) do redis.call('HSETNX', shelf, entry[1], entry[2]) end
redis.call('EXPIRE', shelf, ttl)
if redis.call('HLEN', shelf) >= size then
  redis.call('SET', 'clout:published', newest + 1)
  redis.call('DEL', 'clout:published:' .. (newest + 1 - shelves))
end
"""

_RECALL: Final = """
local names, shelves = unpack(cmsgpack.unpack(ARGV[1]))
local newest = tonumber(redis.call('GET', 'clout:published') or '0')
local out = {}
for i, name in ipairs(names) do
  for shelf = newest, math.max(0, newest - shelves + 1), -1 do
    out[i] = redis.call('HGET', 'clout:published:' .. shelf, name)
    if out[i] then break end
  end
end
return out
"""

_pack = msgspec.msgpack.Encoder().encode
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Engagement).decode


class Published:
    """The newest events that were published, by id; while Redis is away nothing is kept and nothing known."""

    def __init__(self, settings: Settings) -> None:
        self._redis = Redis.from_url(settings.redis, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)

    async def keep(self, events: Iterable[Engagement]) -> None:
        """Keep events as they are about to be published; of one id the first counts."""
        entries = [(_name(event.id), _encode(event).decode()) for event in events]
        if not entries:
            return
        try:
            await self._redis.eval(_KEEP, 0, _pack((entries, _SHELF, _SHELVES, _TTL_S)))
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("events cannot be kept: their undos will go out without stamps", reason=str(exc))

    async def recall(self, ids: Sequence[str]) -> list[Engagement]:
        """Return those of the events that are kept."""
        if not ids:
            return []
        question = _pack(([_name(each) for each in ids], _SHELVES))
        try:
            found = await self._redis.eval(_RECALL, 0, question)
        except (RedisError, OSError, TimeoutError) as exc:
            log.warning("undos go out without the stamps of what they withdraw", reason=str(exc))
            return []
        return [_decode(each) for each in cast("list[bytes | None]", found) if each]

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


def _name(event_id: str) -> str:
    return hashlib.blake2b(event_id.encode(), digest_size=12).hexdigest()
