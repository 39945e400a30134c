"""The ledger: issues events, each with an id of its own, and holds what must be counted of them."""

import itertools
import random
import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from pipeline.clock import Clock, system_clock
from schemas import KINDS, Engagement, Kind

Counts = dict[str, dict[Kind, int]]
"""Engagements by user and kind."""

_REMEMBERED: Final = 2_000
"""Events that may be repeated or undone: far less than the horizon of repeated ids."""


class Ledger:
    """
    Makes up traffic whose effect is known exactly.

    A few targets get most of it, so that rows of every size exist. Nothing that was not acknowledged is expected.
    """

    def __init__(
        self,
        seed: int,
        *,
        users: int = 300,
        repeated: float = 0.0,
        undone: float = 0.0,
        hot: float | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """
        Issue events for `users` targets.

        Args:
            seed: The same seed issues the same events, apart from their times.
            users: The number of targets.
            repeated: The share of events that are sent again.
            undone: The share of events that withdraw an earlier one.
            hot: The share of one user, all others being alike; by default the second has half as much as the first,
                the third a third.
            clock: The time of the events.
        """
        self._random = random.Random(seed)
        self._clock = clock
        self._repeated = repeated
        self._undone = undone
        self._numbers = itertools.count(1)
        self._users = [f"n:user{number}" for number in range(users)]
        self._weights = list(itertools.accumulate(_weights(users, hot)))
        self._recent: deque[Engagement] = deque(maxlen=_REMEMBERED)
        self._acknowledged: dict[tuple[str, bool], Engagement] = {}
        self._lock = threading.Lock()
        self.records = 0
        """Records acknowledged, repeated ones included."""

    def issue(self, count: int) -> list[Engagement]:
        """Return events to publish."""
        now = self._clock()
        return [self._next(now) for _ in range(count)]

    def one_each(self) -> list[Engagement]:
        """Return an event for every user."""
        now = self._clock()
        return [self._new(now, user) for user in self._users]

    def probe(self) -> Engagement:
        """Return an event for a user that had none: its first document waits for nothing."""
        number = next(self._numbers)
        return Engagement(f"n:{number}", "like", "n", "n:prober", f"n:probe{number}", self._clock())

    def _next(self, now: int) -> Engagement:
        draw = self._random.random()
        if self._recent and draw < self._repeated:
            return self._random.choice(self._recent)
        if self._recent and draw < self._repeated + self._undone:
            taken = self._random.choice(self._recent)
            fields = {name: getattr(taken, name) for name in taken.__struct_fields__}
            return Engagement(**{**fields, "undo": True})
        return self._new(now, self._random.choices(self._users, cum_weights=self._weights)[0])

    def _new(self, now: int, target: str) -> Engagement:
        number = next(self._numbers)
        actor = f"n:actor{self._random.randrange(5_000)}"
        event = Engagement(f"n:{number}", self._random.choice(KINDS), "n", actor, target, now)
        self._recent.append(event)
        return event

    def acknowledge(self, events: Sequence[Engagement]) -> None:
        """Note that the broker has them: each must now be counted once. Traffic and a test may do so at once."""
        with self._lock:
            self.records += len(events)
            for event in events:
                self._acknowledged[event.id, event.undo] = event

    def newest(self, count: int) -> list[Engagement]:
        """Return the newest events acknowledged."""
        return list(self._acknowledged.values())[-count:]

    @property
    def duplicates(self) -> int:
        """Records acknowledged whose id and undo another one has, too."""
        return self.records - len(self._acknowledged)

    def expected(self) -> Counts:
        """Return what must be counted for each user."""
        counts: dict[str, Counter[Kind]] = {}
        for event in self._acknowledged.values():
            counts.setdefault(event.target, Counter())[event.kind] += -1 if event.undo else 1
        return {user: {kind: found[kind] for kind in KINDS} for user, found in counts.items()}


def _weights(users: int, hot: float | None) -> list[float]:
    if hot is None:
        return [1 / (rank + 1) for rank in range(users)]
    return [hot, *[(1 - hot) / (users - 1)] * (users - 1)]
