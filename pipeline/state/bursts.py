"""What a spike is made of: engagements by kind, and who stands behind them."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
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
        self.kinds = [0] * 4
        self.evidence = Evidence()
        """Which actors and posts, as far as their text was at hand."""
        self._signs = [0] * 3
        self._actors = array("Q")
        """Their digests, sorted: as they are written."""

    def add(self, kinds: list[int], signs: list[int], actors: list[int]) -> None:
        """Add engagements since the beginning, as `tallied` counted them."""
        self.kinds = [one + more for one, more in zip(self.kinds, kinds, strict=True)]
        self._signs = [one + more for one, more in zip(self._signs, signs, strict=True)]
        known = self._actors
        for actor in actors[: ACTORS_KEPT - len(known)]:
            at = bisect_left(known, actor)
            if at == len(known) or known[at] != actor:
                known.insert(at, actor)

    def suspicions(self) -> list[str]:
        """Return why it looks bought, in words."""
        engagements = sum(self.kinds)
        busy, fresh, aged = self._signs
        distinct = len(self._actors) if len(self._actors) < ACTORS_KEPT else engagements
        return bursts.suspicions(BurstActors(engagements, busy, fresh, aged, distinct))

    def written(self) -> Written:
        """Return it as the changelog holds it."""
        return Written(self.began, self.kinds, self._signs, self._actors.tobytes(), self.evidence.encode())

    @classmethod
    def read(cls, written: Written) -> Self:
        """
        Return what was written.

        Raises:
            ValueError: It cannot be read.
        """
        burst = cls(written.began)
        if len(written.kinds) != len(burst.kinds) or len(written.signs) != len(burst._signs):
            raise ValueError(f"a burst has {len(written.kinds)} kinds and {len(written.signs)} signs")
        burst.kinds, burst._signs = written.kinds, written.signs
        burst._actors = array("Q", written.actors)
        burst.evidence = Evidence.decode(written.evidence)
        return burst


def tallied(
    rows: NDArray[np.int64], events: NDArray[np.void], began: NDArray[np.int64]
) -> Iterator[tuple[int, list[int], list[int], list[int]]]:
    """
    Count engagements by row; those before the beginning of a row's burst do not count.

    Args:
        rows: [m], rising.
        events: `EVENT` [m].
        began: [m], seconds.

    Yields:
        A row, its engagements by kind, those that bear each sign, and the actors of all.
    """
    counted = np.flatnonzero(events["time"] >= began)
    if not len(counted):
        return
    rows, events = rows[counted], events.take(counted)
    nth, age = events["nth"], events["age"]
    marks = np.empty((len(rows), 7), np.int64)
    marks[:, :4] = events["kind"][:, None] == np.arange(4)
    marks[:, 4] = (nth > BUSY_ACTIONS) & (nth != NTH_UNKNOWN)
    marks[:, 5] = (age > 0) & (age <= FRESH_DAYS)
    marks[:, 6] = age > 0
    start = np.flatnonzero(np.diff(rows, prepend=-1))
    sums = np.add.reduceat(marks, start).tolist()
    actors, ends = events["actor"].tolist(), [*start[1:].tolist(), len(rows)]
    for row, first, end, each in zip(rows[start].tolist(), start.tolist(), ends, sums, strict=True):
        yield row, each[:4], each[4:], actors[first:end]
