"""Engagement that one target receives, in columns, and the people who are no attackers."""

from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.engagement import KINDS
from tests.validity.record import DAY

LIKE, SHARE, COMMENT, FOLLOW = range(len(KINDS))

NOW: Final = 1_783_175_888
"""The end of every simulation, seconds."""

Span = tuple[float, float]
"""The least and the most that a parameter may be."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """n engagements that one target receives, and the target's own posts."""

    actor: NDArray[np.int64]
    kind: NDArray[np.int64]
    """Index into `KINDS`."""
    time: NDArray[np.int64]
    """Seconds."""
    nth: NDArray[np.int64]
    age_days: NDArray[np.int64]
    score: NDArray[np.int64]
    """Twice the actor's score."""
    mutual: NDArray[np.bool_]
    posts: NDArray[np.int64]
    """[m] times, seconds."""

    def __len__(self) -> int:
        """Return the number of engagements."""
        return len(self.actor)

    def first(self, n: int) -> "Crowd":
        """Return the first engagements, with all posts."""
        columns = {name: getattr(self, name)[:n] for name in self.__dataclass_fields__ if name != "posts"}
        return replace(self, **columns)


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody is like who is no attacker: a table of attacks.toml, which says what the fields are."""

    score_mean: float
    age_days: Span
    nth_median: float
    nth_sigma: float
    mutual_share: float
    posts_a_day: Span
    base_days: float


class Drawn:
    """Draws people, moments and parameters."""

    def __init__(self, people: People, random: np.random.Generator) -> None:
        self.people = people
        self.random = random

    def number(self, span: Span) -> float:
        """Return a parameter."""
        return float(self.random.uniform(*span))

    def whole(self, span: Span) -> int:
        """Return a whole parameter."""
        return int(self.random.integers(round(span[0]), round(span[1]) + 1))

    def crowd(self, n: int, days: float, *, age_days: Span | None = None) -> Crowd:
        """Return likes, shares and comments by `n` people in the last days."""
        half = self.people.score_mean / 2.0
        return Crowd(
            actor=np.arange(n),
            kind=self.random.choice([LIKE, SHARE, COMMENT], n, p=[0.7, 0.2, 0.1]),
            time=self.times(n, days),
            nth=self.random.lognormal(np.log(self.people.nth_median), self.people.nth_sigma, n).astype(np.int64),
            age_days=self.log_uniform(age_days or self.people.age_days, n),
            score=np.rint(2 * np.clip(self.random.gamma(2.0, half, n), 1, 95)).astype(np.int64),
            mutual=self.random.random(n) < self.people.mutual_share,
            posts=np.zeros(0, np.int64),
        )

    def times(self, n: int, days: float) -> NDArray[np.int64]:
        """Return moments within the last days, seconds."""
        return NOW - self.random.integers(0, round(days * DAY), n)

    def posts(self, days: float) -> NDArray[np.int64]:
        """Return the times of the posts that a person makes in the last days."""
        return self.times(round(days * self.number(self.people.posts_a_day)), days)

    def log_uniform(self, span: Span, n: int) -> NDArray[np.int64]:
        """Return whole numbers within a span, as many in each of its decades."""
        low, high = span
        return np.expm1(self.random.uniform(np.log1p(low), np.log1p(high), n)).astype(np.int64)
