"""
What a partition's rows must be, in plain Python: lists of events, summed when somebody asks.

Shares nothing with `pipeline.state` but the weights and windows, which are data of the score.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pipeline.scoring import weights
from pipeline.scoring.credit import CREDIT_ONE, DOUBTED, NO_STAMP, credit, losses
from schemas import KINDS, Engagement, Post

WIDTHS: Final = (300, 7_200, 50_400, 648_000)
"""Seconds of a slice of each window."""

SCALES: Final = (1, 2, 3)
"""The windows that feed the score."""

ONE: Final = 65_536


@dataclass
class Row:
    """Everything that ever happened to one user."""

    events: list[Engagement] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)


class Model:
    """All users, and the newest moment."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = defaultdict(Row)
        self.seen: set[tuple[str, str, bool]] = set()
        self.as_of = 0

    def add(self, event: Engagement | Post) -> None:
        """Take an event, unless its id is known."""
        self.as_of = max(self.as_of, event.time)
        topic = event.kind if isinstance(event, Engagement) else "post"
        if (topic, event.id, event.undo) in self.seen:
            return
        self.seen.add((topic, event.id, event.undo))
        if isinstance(event, Engagement):
            self.rows[event.target].events.append(event)
        else:
            self.rows[event.author].posts.append(event)

    def _age(self, time: int, window: int) -> int:
        """Return how many slices lie between a moment and now."""
        return self.as_of // 1000 // WIDTHS[window] - time // 1000 // WIDTHS[window]

    def counts(self, user: str) -> list[list[int]]:
        """Return the engagements of each window and kind."""
        table = [[0] * len(KINDS) for _ in WIDTHS]
        for event in self.rows[user].events:
            for window in range(len(WIDTHS)):
                if self._age(event.time, window) < 12:
                    table[window][KINDS.index(event.kind)] += -1 if event.undo else 1
        return [[max(0, count) for count in row] for row in table]

    def _slice_weight(self, time: int, window: int) -> int:
        """Return the weight of the slice that a moment lies in: 0 outside the window."""
        if self._age(time, window) >= 12:
            return 0
        width = WIDTHS[window]
        middle = time // 1000 // width * width + width // 2
        return _kernel(self.as_of // 1000 - middle, window)

    def posts(self, user: str) -> list[float]:
        """Return the faded number of posts on each scale."""
        return [
            max(0.0, sum((-1 if p.undo else 1) * self._slice_weight(p.time, w) for p in self.rows[user].posts) / ONE)
            for w in SCALES
        ]

    def worth(self, user: str) -> list[float]:
        """Return the faded engagement on each scale."""
        totals = [
            sum((-1 if e.undo else 1) * _worth(e) * self._slice_weight(e.time, w) for e in self.rows[user].events)
            for w in SCALES
        ]
        return [max(0.0, total / (weights.WORTH_ONE * ONE)) for total in totals]

    def _engagers(self, user: str) -> dict[str, list[Engagement]]:
        engagers: dict[str, list[Engagement]] = defaultdict(list)
        for event in self.rows[user].events:
            if not event.undo and event.actor != event.target and self._age(event.time, 3) < 12:
                engagers[event.actor].append(event)
        return engagers

    def engagers(self, user: str) -> int:
        """Return the number of distinct actors."""
        return len(self._engagers(user))

    def top(self, user: str) -> int:
        """Return how often the one who engaged most did."""
        return max(map(len, self._engagers(user).values()), default=0)

    def discounted(self, user: str) -> list[float]:
        """Return how many of them each signal takes out of the count; who is believed at all is judged by that."""
        totals = np.zeros(3, np.int64)
        for events in self._engagers(user).values():
            believed = [event for event in events if not _is_doubted([event])]
            totals += losses(*_stamps(believed or events))[0]
        taken: list[float] = (totals / CREDIT_ONE).tolist()
        return taken

    def reach(self, user: str) -> list[float]:
        """Return the faded number of distinct actors, each by quality, on each scale."""
        totals = [0, 0, 0]
        for events in self._engagers(user).values():
            pieces: dict[int, list[Engagement]] = defaultdict(list)
            for event in events:
                if not _is_doubted([event]):
                    pieces[event.time // 1000 // WIDTHS[3]].append(event)
            for scale, window in enumerate(SCALES):
                counted = (
                    _quality(piece) * _kernel(self.as_of // 1000 - max(e.time // 1000 for e in piece), window)
                    for piece in pieces.values()
                )
                totals[scale] += max(counted, default=0)
        return [total / (weights.ACTOR_ONE * ONE) for total in totals]


def _kernel(age: int, window: int) -> int:
    share = min(1.0, max(0.0, age / (12 * WIDTHS[window])))
    return round((1 - share * share) ** 2 * ONE)


def _one(value: Any) -> Any:
    return np.array([value], np.int64)


def _worth(event: Engagement) -> int:
    if event.actor == event.target:
        return 0
    network = weights.network_index(event.target.partition(":")[0])
    nth = NO_STAMP if event.actor_nth is None else event.actor_nth
    age = NO_STAMP if event.actor_since is None else max(0, (event.time - event.actor_since) // 86_400_000)
    kind = _one(KINDS.index(event.kind))
    return int(weights.worth(_one(network), kind, _one(nth), _one(age), np.array([bool(event.mutual)]))[0])


def _stamps(events: list[Engagement]) -> Any:
    """Return the most credible of each stamp: place in the day, age, mutual, nothing but returned follows."""
    ages = [
        weights.AGE_DEFAULT if e.actor_since is None else max(0, (e.time - e.actor_since) // 86_400_000) for e in events
    ]
    return (
        _one(min(e.actor_nth or 0 for e in events)),
        _one(max(ages)),
        np.array([all(e.mutual for e in events)]),
        np.array([all(e.mutual and e.kind == "follow" for e in events)]),
    )


def _is_doubted(events: list[Engagement]) -> bool:
    return bool(credit(*_stamps(events))[0] < DOUBTED)


def _quality(events: list[Engagement]) -> int:
    scores = [weights.SCORE_DEFAULT if e.actor_score is None else round(e.actor_score * 2) for e in events]
    stamps = _stamps(events)
    made = weights.quality(_one(sum(map(_worth, events))), _one(max(scores)), stamps[1], credit(*stamps))
    return int(made[0])
