"""What a spike is made of: engagements by kind, and who stands behind them."""

from typing import Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import bursts
from pipeline.scoring.bursts import BurstActors
from pipeline.state.events import NTH_UNKNOWN
from pipeline.state.evidence import Evidence

BUSY_ACTIONS: Final = 100
FRESH_DAYS: Final = 7

ACTORS_KEPT: Final = 512
"""Distinct actors that are counted: with more, few actors are no longer the question."""


class Written(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A burst as a row's section holds it."""

    began: int
    kinds: list[int]
    signs: list[int]
    actors: bytes
    evidence: bytes


class Burst:
    """Counts the engagements since a spike began, or may have begun."""

    def __init__(self, began: int) -> None:
        self.began = began
        """Seconds."""
        self.kinds = np.zeros(4, np.int64)
        self.evidence = Evidence()
        """Which actors and posts, as far as their text was at hand."""
        self._signs = np.zeros(3, np.int64)
        self._actors: set[int] = set()

    def add(self, events: NDArray[np.void]) -> None:
        """Add engagements; those before the beginning do not count."""
        events = events[events["time"].astype(np.int64) >= self.began]
        self.kinds += np.bincount(events["kind"], minlength=4)
        nth, age = events["nth"], events["age"]
        busy = (nth > BUSY_ACTIONS) & (nth != NTH_UNKNOWN)
        fresh = (age > 0) & (age <= FRESH_DAYS)
        self._signs += [np.count_nonzero(sign) for sign in (busy, fresh, age > 0)]
        if len(self._actors) < ACTORS_KEPT:
            self._actors.update(events["actor"].tolist()[: ACTORS_KEPT - len(self._actors)])

    def suspicions(self) -> list[str]:
        """Return why it looks bought, in words."""
        engagements = int(self.kinds.sum())
        busy, fresh, aged = self._signs.tolist()
        distinct = len(self._actors) if len(self._actors) < ACTORS_KEPT else engagements
        return bursts.suspicions(BurstActors(engagements, busy, fresh, aged, distinct))

    def written(self) -> Written:
        """Return it as the changelog holds it."""
        actors = np.array(sorted(self._actors), np.uint64).tobytes()
        return Written(self.began, self.kinds.tolist(), self._signs.tolist(), actors, self.evidence.encode())

    @classmethod
    def read(cls, written: Written) -> Self:
        """
        Return what was written.

        Raises:
            ValueError: It cannot be read.
        """
        burst = cls(written.began)
        burst.kinds[:] = written.kinds
        burst._signs[:] = written.signs
        burst._actors = set(np.frombuffer(written.actors, np.uint64).tolist())
        burst.evidence = Evidence.decode(written.evidence)
        return burst
