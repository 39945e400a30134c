"""Stamps: what the fold must know about an actor, written on the engagement when it is published."""

from collections.abc import Iterable
from typing import Final

import msgspec

from agents.actors import ActorStore, Answer, Question, merge
from agents.bounded import trim
from agents.protocol import Item
from pipeline.clock import Clock, system_clock
from pipeline.errors import StoreUnavailableError
from pipeline.logs import get_logger
from pipeline.topics import DAY_MS
from schemas import Engagement

_LIMIT: Final = 200_000
"""Entries of each cache: some 20 MB."""
_FRESH_MS: Final = 30_000
"""How long a looked-up score or mutuality is used: a score moves a point or so in that time at most."""
_WRITE_BACK_MS: Final = 1_000
"""How long counted actions may wait here for the next round trip."""
_RETRY_MS: Final = (1_000, 30_000)
"""The first and the longest pause before Redis is asked again."""

log = get_logger(__name__)


class _Actor(msgspec.Struct, gc=False):
    score: float | None
    since: int
    asked: int


class Stamper:
    """
    Stamps batches of engagements, with one round trip to the store for what the cache does not hold.

    Without the store an engagement gets the stamps that the cache knows, and no others: it is never held up for long.
    """

    def __init__(self, store: ActorStore, *, clock: Clock = system_clock, limit: int = _LIMIT) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._actors: dict[str, _Actor] = {}
        self._actions: dict[tuple[str, int], int] = {}
        self._mutual: dict[tuple[str, str], tuple[bool, int]] = {}
        self._owed: dict[tuple[str, int], int] = {}
        """Actions counted here and not yet in the store."""
        self._written = 0
        self._pause_ms = 0
        self._retry_at = 0

    async def stamp(self, items: Iterable[Item]) -> list[Item]:
        """Return the items in their order, the engagements stamped; stamps that one already has are kept."""
        items = list(items)
        # An undo repeats the stamps of what it withdraws, and is no action of its own.
        fresh = [item for item in items if isinstance(item, Engagement) and not item.undo]
        if fresh:
            counted = _count_actions(fresh)
            await self._learn(self._question(fresh, counted), counted)
            trim(self._actors, self._limit)
            trim(self._actions, self._limit)
            trim(self._mutual, self._limit)
        return [self._stamped(item) if isinstance(item, Engagement) and not item.undo else item for item in items]

    async def close(self) -> None:
        """Write back the actions that are owed, if the store answers, and disconnect."""
        if self._owed and self._clock() >= self._retry_at:
            await self._ask(Question(actions=self._owed))
        await self._store.close()

    def _question(self, fresh: list[Engagement], counted: dict[tuple[str, int], int]) -> Question:
        stale = self._clock() - _FRESH_MS
        question = Question()
        for event in fresh:
            actor = self._actors.get(event.actor)
            if actor is None or actor.asked < stale or event.time < actor.since:
                question.actors[event.actor] = min(event.time, question.actors.get(event.actor, event.time))
            pair = (event.target, event.actor)
            mutual = self._mutual.get(pair)
            if mutual is None or mutual[1] < stale:
                question.pairs[pair] = None
        question.actions = {key: count for key, count in counted.items() if key not in self._actions}
        return question

    async def _learn(self, question: Question, counted: dict[tuple[str, int], int]) -> None:
        """Ask, and bring the cache to the state before this batch: `_stamped` then counts its actions one by one."""
        merge(self._owed, counted)
        trim(self._owed, self._limit)
        now = self._clock()
        due = now - self._written >= _WRITE_BACK_MS
        if now < self._retry_at or not (question or due):
            return
        # What is owed goes along only now and then: a hot actor costs one write a second, not one a batch.
        actions = self._owed if due else {key: self._owed[key] for key in question.actions}
        answer = await self._ask(Question(question.actors, actions, question.pairs))
        if answer is None:
            return
        if due:
            self._written = now
        self._owed = {key: count for key, count in self._owed.items() if key not in answer.actions}
        for key, total in answer.actions.items():
            self._actions[key] = total - counted.get(key, 0)
        for name, score in answer.scores.items():
            self._actors[name] = _Actor(score, answer.since[name], now)
        for pair, mutual in answer.mutual.items():
            self._mutual[pair] = (mutual, now)

    async def _ask(self, question: Question) -> Answer | None:
        try:
            answer = await self._store.ask(question)
        except StoreUnavailableError as exc:
            if not self._pause_ms:
                log.warning("engagements go out without the stamps that need Redis until it answers", reason=str(exc))
            self._pause_ms = min(max(self._pause_ms * 2, _RETRY_MS[0]), _RETRY_MS[1])
            self._retry_at = self._clock() + self._pause_ms
            return None
        if self._pause_ms:
            log.info("Redis answers again: engagements are stamped")
            self._pause_ms = 0
        return answer

    def _stamped(self, event: Engagement) -> Engagement:
        actor = self._actors.get(event.actor)
        day = (event.actor, event.time // DAY_MS)
        nth = self._actions.get(day)
        if nth is not None:
            self._actions[day] = nth + 1
        mutual = self._mutual.get((event.target, event.actor))
        # Positions, and no helper: this runs for every event.
        return Engagement(
            event.id,
            event.kind,
            event.network,
            event.actor,
            event.target,
            event.time,
            event.object,
            event.undo,
            event.tags,
            actor.score if event.actor_score is None and actor else event.actor_score,
            nth if event.actor_nth is None else event.actor_nth,
            actor.since if event.actor_since is None and actor else event.actor_since,
            mutual[0] if event.mutual is None and mutual else event.mutual,
        )


def _count_actions(events: list[Engagement]) -> dict[tuple[str, int], int]:
    counted: dict[tuple[str, int], int] = {}
    for event in events:
        day = (event.actor, event.time // DAY_MS)
        counted[day] = counted.get(day, 0) + 1
    return counted
