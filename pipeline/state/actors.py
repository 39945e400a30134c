"""
Distinct actors: per slice of the longest window a coordinated bottom-k sample, with what the actors did.

Each slice keeps the `SAMPLE` actors with the smallest digests, and its threshold: the smallest digest it turned away.
An actor below every slice's threshold is known wholly, so a sum over the sample divided by the threshold estimates the
sum over all (Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). With no more actors than the
sample holds it is exact. A sample depends on who engaged, never on the order, and merges by union.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.credit import DOUBTED as DOUBTED_BELOW
from pipeline.scoring.credit import DOUBTED_FROM, credit
from pipeline.state.events import MUTUAL, NTH_UNKNOWN, SELF, UNDO
from pipeline.state.merge_sort import order_by
from pipeline.state.sources import POST_KIND

ENTRY: Final = np.dtype(
    [
        ("actor", "<u8"),
        ("last", "<u4"),  # the newest engagement, seconds; also tells the slice
        ("worth", "<u4"),  # sum, fixed point
        ("age", "<u2"),  # greatest; days plus 1
        ("nth", "<u2"),  # least
        ("count", "<u2"),
        ("score", "u1"),  # greatest; twice the score plus 1
        ("flags", "u1"),  # what all engagements are: MUTUAL, RETURNED, DOUBTED
    ]
)
"""
One actor within one slice, with the most credible of each stamp, so that a further engagement never takes credit away.

For the same reason an unknown stamp must not give way to a known one that is worth less: it stands as its default.
"""

RETURNED: Final = 8
"""Flag of an entry: nothing but follows of somebody who engages with the actor, too."""

DOUBTED: Final = 16
"""
Flag of an entry: engagement of nearly no credit. Such entries are a class of their own, with a sample of its own, and
never merged with the others: else a flood of bots would crowd people out of the sample, and a score would fall by it.
"""

DOUBTED_SAMPLE: Final = 64
"""Doubted actors kept a slice; they make no score, only the number of engagers and the authenticity."""

SAMPLE: Final = 128
"""Actors kept a slice: a standard error of 1 / sqrt(126) = 9 %, about half a point of the score."""

WHOLE: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""The threshold of a slice that turned nobody away."""

_SLICES_SPAN: Final = 1 << 32
"""Slices of at least a second, since 1970."""

_COUNT_LAST: Final = 0xFFFF
_WORTH_LAST: Final = 0xFFFF_FFFF


def entries_of(events: NDArray[np.void]) -> NDArray[np.void]:
    """Return one entry for each event. Who acts on oneself, posts or undoes is no engager: leave those out before."""
    entries = np.zeros(len(events), ENTRY)
    entries["actor"] = events["actor"]
    entries["last"] = events["time"]
    entries["worth"] = np.maximum(events["worth"], 0)
    # What is not known is not held against an actor, and so must not give way to what is.
    entries["age"] = np.where(events["age"] == 0, weights.AGE_DEFAULT + 1, events["age"])
    entries["nth"] = np.where(events["nth"] == NTH_UNKNOWN, 0, events["nth"])
    entries["count"] = 1
    entries["score"] = np.where(events["score"] == 0, weights.SCORE_DEFAULT + 1, events["score"])
    mutual = (events["flags"] & MUTUAL) > 0
    returned = mutual & (events["kind"] == weights.FOLLOW)
    believed = credit(entries["nth"].astype(np.int64), entries["age"].astype(np.int64) - 1, mutual, returned)
    doubted = believed < DOUBTED_BELOW
    entries["flags"] = mutual * np.uint8(MUTUAL) | returned * np.uint8(RETURNED) | doubted * np.uint8(DOUBTED)
    return entries


def is_engager(events: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which events make their actor an engager: an undone one stays, so the undo itself says nothing."""
    engages: NDArray[np.bool_] = (events["kind"] < POST_KIND) & ((events["flags"] & (UNDO | SELF)) == 0)
    return engages


def is_doubted(entries: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which entries are of the doubted class."""
    doubted: NDArray[np.bool_] = (entries["flags"] & DOUBTED) > 0
    return doubted


def may_be_doubted(events: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which events may make a doubted entry, without knowing for sure."""
    may: NDArray[np.bool_] = (events["nth"] >= DOUBTED_FROM) | (events["flags"] & MUTUAL > 0)
    return may


def lanes(row: NDArray[np.int64], entries: NDArray[np.void], slice_seconds: int) -> NDArray[np.int64]:
    """Return a number for each row, slice and class, in this order."""
    piece = (entries["last"] // np.uint32(slice_seconds)).astype(np.int64)
    return (row * _SLICES_SPAN + piece) * 2 + is_doubted(entries)


def merge(
    row: NDArray[np.int64], entries: NDArray[np.void], slice_seconds: int
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """
    Merge entries of the same row, slice, class and actor.

    Returns:
        Rows and entries, sorted by row, slice, class (the doubted last) and actor.
    """
    if len(row) == 0:
        return row, entries
    lane = lanes(row, entries, slice_seconds)
    order = order_by(lane, entries["actor"])
    row, lane, entries = row[order], lane[order], entries.take(order)
    new = np.empty(len(row), np.bool_)
    new[0] = True
    new[1:] = (np.diff(lane) != 0) | (np.diff(entries["actor"]) != 0)
    if new.all():
        return row, entries
    start = np.flatnonzero(new)
    merged = entries.take(start)
    merged["last"] = np.maximum.reduceat(entries["last"], start)
    merged["worth"] = np.minimum(np.add.reduceat(entries["worth"].astype(np.int64), start), _WORTH_LAST)
    merged["age"] = np.maximum.reduceat(entries["age"], start)
    merged["nth"] = np.minimum.reduceat(entries["nth"], start)
    merged["count"] = np.minimum(np.add.reduceat(entries["count"].astype(np.int64), start), _COUNT_LAST)
    merged["score"] = np.maximum.reduceat(entries["score"], start)
    merged["flags"] = np.bitwise_and.reduceat(entries["flags"], start)
    return row[start], merged


def truncate(
    row: NDArray[np.int64], entries: NDArray[np.void], slice_seconds: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """
    Find what exceeds the sample of its slice.

    Args:
        row: [m] sorted, with `entries`, as `merge` returns them.
        entries: [m].
        slice_seconds: Length of a slice.

    Returns:
        Which entries stay, [m]; and for each slice that turned somebody away who was believed its row, its number and
        the smallest digest turned away.
    """
    doubted = is_doubted(entries)
    rank = ranks(lanes(row, entries, slice_seconds))
    first_out = np.flatnonzero((rank == SAMPLE) & ~doubted)
    piece = entries["last"][first_out].astype(np.int64) // slice_seconds
    return rank < np.where(doubted, DOUBTED_SAMPLE, SAMPLE), row[first_out], piece, entries["actor"][first_out]


def ranks(lane: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each entry within its lane, from 0; `lane` is sorted and not empty."""
    start = np.flatnonzero(np.diff(lane, prepend=lane[0] - 1))
    places: NDArray[np.int64] = np.arange(len(lane)) - np.repeat(start, np.diff(np.append(start, len(lane))))
    return places
