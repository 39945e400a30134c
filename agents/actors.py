"""What Redis knows of the actors: one round trip for a whole batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pipeline.errors import StoreUnavailableError
from pipeline.settings import Settings

_SINCE_TTL_S: Final = 92 * 86_400
"""As long as the sources are kept: an actor silent for longer is a new one."""
_SETTLED_MS: Final = 30 * 86_400_000
"""An actor known for so long has the expiry put off when looked up: once for each would be a write too many."""
_ACTIONS_TTL_S: Final = 2 * 86_400
"""A day's counts are of no use once late events of that day have come."""
_CHUNK: Final = 500
"""Look-ups in one script call, so that no other client of Redis waits for more than a millisecond or so."""
_TIMEOUT_S: Final = 1.0

_LOOK_UP: Final = """
local actors, times, days, couples, since_ttl, settled, actions_ttl = unpack(cmsgpack.unpack(ARGV[1]))
local out = {}
if #actors > 0 then
  out[1] = redis.call('ZMSCORE', 'clout:rank', unpack(actors))
  local keys = {}
  for i, actor in ipairs(actors) do keys[i] = 'clout:actor:' .. actor end
  local since = redis.call('MGET', unpack(keys))
  for i, time in ipairs(times) do
    local known = tonumber(since[i])
    if not known or time < known then
      since[i] = time
      redis.call('SET', keys[i], time, 'EX', since_ttl)
    elseif time - known > settled then
      redis.call('EXPIRE', keys[i], since_ttl)
    end
  end
  out[2] = since
end
for _, day in ipairs(days) do
  local key, names, counts = 'clout:actions:' .. day[1], day[2], day[3]
  local held, new = redis.call('HMGET', key, unpack(names)), {}
  for i, count in ipairs(counts) do
    counts[i] = count + (tonumber(held[i]) or 0)
    new[2 * i - 1], new[2 * i] = names[i], counts[i]
  end
  redis.call('HSET', key, unpack(new))
  redis.call('EXPIRE', key, actions_ttl)
  out[#out + 1] = counts
end
for _, couple in ipairs(couples) do
  out[#out + 1] = redis.call('ZMSCORE', 'clout:influencers:' .. couple[1], unpack(couple[2]))
end
return out
"""
"""
Few calls with many members each, and one packed argument: a call or an argument for each look-up would cost more
than all else that an agent does.
"""

_pack = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Question:
    """What a batch wants to know, and the actions it counts."""

    actors: dict[str, int] = field(default_factory=dict)
    """Actor to the time of an event of theirs: a bound on when they were first seen."""
    actions: dict[tuple[str, int], int] = field(default_factory=dict)
    """(actor, UTC day since 1970) to how many actions to add."""
    pairs: dict[tuple[str, str], None] = field(default_factory=dict)
    """(target, actor): does the target engage with the actor?"""

    def __bool__(self) -> bool:
        """Tell whether there is anything to ask or to count."""
        return bool(self.actors or self.actions or self.pairs)


@dataclass(slots=True)
class Answer:
    """What the store said."""

    scores: dict[str, float | None] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    actions: dict[tuple[str, int], int] = field(default_factory=dict)
    """(actor, day) to the actions of that day, those just added included."""
    mutual: dict[tuple[str, str], bool] = field(default_factory=dict)


class ActorStore(Protocol):
    """Answers questions about actors and counts what they do."""

    async def ask(self, question: Question) -> Answer:
        """
        Answer a question; its actions are counted once.

        Raises:
            StoreUnavailableError: There is no answer; whether the actions were counted is not known.
        """

    async def close(self) -> None:
        """Disconnect."""


class RedisActors:
    """The actors in Redis; agents/README.md lists the keys."""

    def __init__(self, settings: Settings) -> None:
        self._redis = Redis.from_url(
            settings.redis, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, decode_responses=False
        )

    async def ask(self, question: Question) -> Answer:
        """Answer a question with one pipelined round trip."""
        parts = _split(question)
        pipe = self._redis.pipeline(transaction=False)
        for part in parts:
            pipe.eval(_LOOK_UP, 0, part.packed())
        try:
            replies = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as exc:
            raise StoreUnavailableError(f"Redis does not answer: {exc}") from exc
        answer = Answer()
        for part, reply in zip(parts, replies, strict=True):
            part.read(cast("list[list[bytes | int | None]]", reply), answer)
        return answer

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a question, as the script wants it."""

    actors: dict[str, int]
    days: dict[int, dict[str, int]]
    """UTC day to actor to actions."""
    targets: dict[str, list[str]]

    def packed(self) -> bytes:
        return _pack(
            (
                list(self.actors),
                list(self.actors.values()),
                [(day, list(counts), list(counts.values())) for day, counts in self.days.items()],
                list(self.targets.items()),
                _SINCE_TTL_S,
                _SETTLED_MS,
                _ACTIONS_TTL_S,
            )
        )

    def read(self, reply: Sequence[Sequence[bytes | int | None]], answer: Answer) -> None:
        values = iter(reply)
        if self.actors:
            for actor, score in zip(self.actors, next(values), strict=True):
                answer.scores[actor] = None if score is None else float(score)
            answer.since.update(zip(self.actors, map(int, next(values)), strict=True))  # type: ignore[arg-type]
        for day, counts in self.days.items():
            for actor, total in zip(counts, next(values), strict=True):
                answer.actions[actor, day] = int(total or 0)
        for target, actors in self.targets.items():
            for actor, score in zip(actors, next(values), strict=True):
                answer.mutual[target, actor] = score is not None


def _split(question: Question) -> list[_Part]:
    """Cut a question into parts that the script answers quickly."""
    longest = max(len(question.actors), len(question.actions), len(question.pairs))
    actors, actions, pairs = iter(question.actors.items()), iter(question.actions.items()), iter(question.pairs)
    return [
        _Part(
            dict(islice(actors, _CHUNK)),
            _by_day(islice(actions, _CHUNK)),
            _by_target(islice(pairs, _CHUNK)),
        )
        for _ in range(0, longest, _CHUNK)
    ]


def _by_day(actions: Iterable[tuple[tuple[str, int], int]]) -> dict[int, dict[str, int]]:
    days: dict[int, dict[str, int]] = {}
    for (actor, day), count in actions:
        days.setdefault(day, {})[actor] = count
    return days


def _by_target(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for target, actor in pairs:
        targets.setdefault(target, []).append(actor)
    return targets


def merge(counts: dict[tuple[str, int], int], more: Mapping[tuple[str, int], int]) -> None:
    """Add `more` actions to `counts`."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
