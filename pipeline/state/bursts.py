"""What a spike is made of: engagements by kind, and who stands behind them."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from operator import add
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

_KINDS: Final = 4
_SIGNS: Final = 3
"""Whether actors are busy, fresh, or of known age."""


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
        self.evidence = Evidence()
        """Which actors and posts, as far as their text was at hand."""
        self._counts = [0] * (_KINDS + _SIGNS)
        self._actors = array("Q")
        """Their digests, sorted: as they are written."""

    @property
    def kinds(self) -> list[int]:
        """The engagements by kind."""
        return self._counts[:_KINDS]

    def add(self, counts: list[int], actors: list[int]) -> None:
        """Add engagements since the beginning, as `tallied` counted them."""
        self._counts = list(map(add, self._counts, counts))
        known = self._actors
        for actor in actors[: ACTORS_KEPT - len(known)]:
            at = bisect_left(known, actor)
            if at == len(known) or known[at] != actor:
                known.insert(at, actor)

    def suspicions(self) -> list[str]:
        """Return why it looks bought, in words."""
        engagements, (busy, fresh, aged) = sum(self.kinds), self._counts[_KINDS:]
        distinct = len(self._actors) if len(self._actors) < ACTORS_KEPT else engagements
        return bursts.suspicions(BurstActors(engagements, busy, fresh, aged, distinct))

    def written(self) -> Written:
        """Return it as the changelog holds it."""
        return Written(self.began, self.kinds, self._counts[_KINDS:], self._actors.tobytes(), self.evidence.encode())

    @classmethod
    def read(cls, written: Written) -> Self:
        """
        Return what was written.

        Raises:
            ValueError: It cannot be read.
        """
        burst = cls(written.began)
        if len(written.kinds) != _KINDS or len(written.signs) != _SIGNS:
            raise ValueError(f"a burst has {len(written.kinds)} kinds and {len(written.signs)} signs")
        burst._counts = [*written.kinds, *written.signs]
        burst._actors = array("Q", written.actors)
        burst.evidence = Evidence.decode(written.evidence)
        return burst


def tallied(
    rows: NDArray[np.int64], events: NDArray[np.void], began: NDArray[np.int64]
) -> Iterator[tuple[int, list[int], list[int]]]:
    """
    Count engagements by row; those before the beginning of a row's burst do not count.

    Args:
        rows: [m], rising.
        events: `EVENT` [m].
        began: [m], seconds.

    Yields:
        A row, its engagements by kind and those that bear each sign, and the actors of all.
    """
    counted = np.flatnonzero(events["time"] >= began)
    if not len(counted):
        return
    rows, events = rows[counted], events.take(counted)
    nth, age = events["nth"], events["age"]
    marks = np.empty((len(rows), _KINDS + _SIGNS), np.int64)
    marks[:, :_KINDS] = events["kind"][:, None] == np.arange(_KINDS)
    marks[:, _KINDS] = (nth > BUSY_ACTIONS) & (nth != NTH_UNKNOWN)
    marks[:, _KINDS + 1] = (age > 0) & (age <= FRESH_DAYS)
    marks[:, _KINDS + 2] = age > 0
    start = np.flatnonzero(np.diff(rows, prepend=-1))
    sums = np.add.reduceat(marks, start).tolist()
    actors, ends = events["actor"].tolist(), [*start[1:].tolist(), len(rows)]
    for row, first, end, each in zip(rows[start].tolist(), start.tolist(), ends, sums, strict=True):
        yield row, each, actors[first:end]
