"""What Redis knows of the actors: one round trip for a whole batch."""

from collections.abc import Mapping, Sequence
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
_ACTIONS_TTL_S: Final = 2 * 86_400
"""A day's counts are of no use once late events of that day have come."""
_CHUNK: Final = 500
"""Look-ups in one script call, so that no other client of Redis waits for more than a millisecond or so."""
_TIMEOUT_S: Final = 1.0

_LOOK_UP: Final = """
local actors, actions, couples, since_ttl, actions_ttl = unpack(cmsgpack.unpack(ARGV[1]))
local out, days = {}, {}
for i = 1, #actors, 2 do
  local actor, time = actors[i], actors[i + 1]
  local key = 'clout:actor:' .. actor
  local since = redis.call('GETEX', key, 'EX', since_ttl)
  if not since or time < tonumber(since) then
    since = time
    redis.call('SET', key, since, 'EX', since_ttl)
  end
  out[#out + 1] = redis.call('ZSCORE', 'clout:rank', actor)
  out[#out + 1] = since
end
for i = 1, #actions, 3 do
  local actor, day, count = actions[i], actions[i + 1], actions[i + 2]
  days[day] = true
  out[#out + 1] = redis.call('HINCRBY', 'clout:actions:' .. day, actor, count)
end
for day in pairs(days) do redis.call('EXPIRE', 'clout:actions:' .. day, actions_ttl) end
for i = 1, #couples, 2 do
  out[#out + 1] = redis.call('ZSCORE', 'clout:influencers:' .. couples[i], couples[i + 1])
end
return out
"""
"""One argument, packed: hundreds of them would cost more than the look-ups."""


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
            pipe.eval(_LOOK_UP, 0, _packed(part))
        try:
            replies = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as exc:
            raise StoreUnavailableError(f"Redis does not answer: {exc}") from exc
        answer = Answer()
        for part, reply in zip(parts, replies, strict=True):
            _read(part, cast("list[bytes | int | None]", reply), answer)
        return answer

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()


def _split(question: Question) -> list[Question]:
    """Cut a question into parts that a script call answers quickly."""
    longest = max(len(question.actors), len(question.actions), len(question.pairs))
    if longest <= _CHUNK:
        return [question]
    actors, actions, pairs = iter(question.actors.items()), iter(question.actions.items()), iter(question.pairs)
    return [
        Question(dict(islice(actors, _CHUNK)), dict(islice(actions, _CHUNK)), dict.fromkeys(islice(pairs, _CHUNK)))
        for _ in range(0, longest, _CHUNK)
    ]


def _packed(question: Question) -> bytes:
    return _pack(
        (
            [value for pair in question.actors.items() for value in pair],
            [value for (actor, day), count in question.actions.items() for value in (actor, day, count)],
            [value for pair in question.pairs for value in pair],
            _SINCE_TTL_S,
            _ACTIONS_TTL_S,
        )
    )


def _read(question: Question, reply: Sequence[bytes | int | None], answer: Answer) -> None:
    values = iter(reply)
    for actor in question.actors:
        score = next(values)
        answer.scores[actor] = None if score is None else float(score)
        answer.since[actor] = int(next(values) or 0)
    for key in question.actions:
        answer.actions[key] = int(next(values) or 0)
    for pair in question.pairs:
        answer.mutual[pair] = next(values) is not None


def merge(counts: dict[tuple[str, int], int], more: Mapping[tuple[str, int], int]) -> None:
    """Add `more` actions to `counts`."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
