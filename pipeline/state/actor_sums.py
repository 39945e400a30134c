"""From samples of actors to what the score sees of a row's people: how many, of what quality, moved by how much."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.credit import CREDIT_ONE, SIGNALS, credit, losses
from pipeline.scoring.features import SCALES
from pipeline.scoring.windows import KERNEL_ONE, QUARTER, SCALE_WINDOWS, SLICES, Windows
from pipeline.state import actors
from pipeline.state.actors import DOUBTED_SAMPLE, RETURNED, WHOLE
from pipeline.state.events import MUTUAL, NTH_UNKNOWN
from pipeline.state.lockstep import in_lockstep
from pipeline.state.merge_sort import order_by

_ACTOR_SCALE: Final = float(weights.ACTOR_ONE * KERNEL_ONE)


class ActorSums:
    """Sums over the distinct actors of each of n rows."""

    def __init__(self, windows: Windows, second: int, n: int) -> None:
        self._windows = windows
        self._second = second
        self._n = n
        self.reach = np.zeros((n, SCALES))
        self.impact = np.zeros((n, SCALES))
        self.engagers = np.zeros(n)
        self.discounted = np.zeros((n, len(SIGNALS)))
        self.lockstep = np.zeros(n)
        self.top = np.zeros(n)

    def add(self, place: NDArray[np.int64], entries: NDArray[np.void], threshold: NDArray[np.uint64]) -> None:
        """
        Add the entries of rows.

        Args:
            place: int64[m] each entry's row.
            entries: [m] in the order of `actors.merge`.
            threshold: uint64[n] below which all believed actors of a row are known.
        """
        width = self._windows.slice_seconds[QUARTER]
        inside = self._windows.head(QUARTER, self._second) - entries["last"].astype(np.int64) // width < SLICES
        place, entries = _chosen(place, entries, inside)
        limits = np.stack((threshold, _doubted_threshold(place, entries, threshold, width)))
        limit = limits[actors.is_doubted(entries).astype(np.int64), place]
        place, entries = _chosen(place, entries, (entries["actor"] < limit) | (limit == WHOLE))
        if not len(place):
            return
        order = order_by(place, entries["actor"])
        place, entries = place[order], entries.take(order)
        start = _starts(place, entries)
        np.maximum.at(self.top, place[start], np.add.reduceat(entries["count"].astype(np.float64), start))
        place, entries = _without_second_thoughts(place, entries, start)
        start = _starts(place, entries)
        row = place[start]
        share = np.where(limits == WHOLE, 1.0, limits / 2.0**64)
        each = 1.0 / share[actors.is_doubted(entries.take(start)).astype(np.int64), row]
        self.engagers = np.bincount(row, each, self._n).astype(np.float64)
        together = in_lockstep(place, start, entries["last"])
        self.lockstep = np.bincount(row[together], each[together], self._n).astype(np.float64)
        nth, age_days = _stamps(entries)
        taken = losses(
            np.minimum.reduceat(nth, start),
            np.maximum.reduceat(age_days, start),
            *_marks(np.bitwise_and.reduceat(entries["flags"], start)),
        )
        for signal in range(len(SIGNALS)):
            self.discounted[:, signal] = np.bincount(row, taken[:, signal] * each, self._n) / CREDIT_ONE
        self._add_faded(row, start, entries, share[0])

    def _add_faded(
        self,
        row: NDArray[np.int64],
        start: NDArray[np.int64],
        entries: NDArray[np.void],
        share: NDArray[np.float64],
    ) -> None:
        score = entries["score"].astype(np.int64) - 1
        nth, age_days = _stamps(entries)
        believed = credit(nth, age_days, *_marks(entries["flags"]))
        quality = weights.quality(entries["worth"].astype(np.int64), score, age_days, believed)
        quality[actors.is_doubted(entries)] = 0
        moved = quality * weights.influence(score)
        age = np.maximum(self._second - entries["last"].astype(np.int64), 0)
        for scale, window in enumerate(SCALE_WINDOWS):
            kernel = self._windows.kernel(window, age)
            # Of an actor's slices the strongest counts, so that a further engagement never takes away.
            reach = np.maximum.reduceat(quality * kernel, start)
            impact = np.maximum.reduceat(moved * kernel, start) // weights.ACTOR_ONE
            self.reach[:, scale] = np.bincount(row, reach, self._n) / _ACTOR_SCALE / share
            self.impact[:, scale] = np.bincount(row, impact, self._n) / _ACTOR_SCALE / share


def _chosen(
    place: NDArray[np.int64], entries: NDArray[np.void], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    if chosen.all():
        return place, entries
    where = np.flatnonzero(chosen)
    return place[where], entries.take(where)


def _doubted_threshold(
    place: NDArray[np.int64], entries: NDArray[np.void], threshold: NDArray[np.uint64], slice_seconds: int
) -> NDArray[np.uint64]:
    """
    Return below which digest all doubted actors of each row are known, and whether they are believed elsewhere.

    The last of a full sample is taken for the first that was turned away: whether it was the last of all then makes no
    difference, and nothing needs to be stored.
    """
    least = threshold.copy()
    doubted = np.flatnonzero(actors.is_doubted(entries))
    if len(doubted):
        lane = actors.lanes(place[doubted], entries.take(doubted), slice_seconds)
        last = doubted[actors.ranks(lane) == DOUBTED_SAMPLE - 1]
        np.minimum.at(least, place[last], entries["actor"][last])
    return least


def _starts(place: NDArray[np.int64], entries: NDArray[np.void]) -> NDArray[np.int64]:
    """Return where each actor of each row begins; entries by row and actor, at least one."""
    new = np.empty(len(place), np.bool_)
    new[0] = True
    new[1:] = (np.diff(place) != 0) | (np.diff(entries["actor"]) != 0)
    return np.flatnonzero(new)


def _without_second_thoughts(
    place: NDArray[np.int64], entries: NDArray[np.void], start: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """Leave out the doubted entries of actors who are believed for others."""
    doubted = actors.is_doubted(entries)
    if not doubted.any():
        return place, entries
    wholly = np.logical_and.reduceat(doubted, start)
    return _chosen(place, entries, ~doubted | np.repeat(wholly, np.diff(np.append(start, len(place)))))


def _stamps(entries: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places in the day and ages in days."""
    # Rows that were written in format 1 may say that the place is unknown.
    nth = np.where(entries["nth"] == NTH_UNKNOWN, 0, entries["nth"]).astype(np.int64)
    return nth, entries["age"].astype(np.int64) - 1


def _marks(flags: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which entries hold nothing but mutual engagement, and which nothing but returned follows."""
    return (flags & MUTUAL) > 0, (flags & RETURNED) > 0
