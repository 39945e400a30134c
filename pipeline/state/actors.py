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

from pipeline.state.events import NTH_UNKNOWN, SELF, UNDO
from pipeline.state.sources import POST_KIND

ENTRY: Final = np.dtype(
    [
        ("actor", "<u8"),
        ("last", "<u4"),  # the newest engagement, seconds; also tells the slice
        ("worth", "<u4"),  # sum, fixed point
        ("age", "<u2"),  # greatest; days plus 1, 0 unknown
        ("nth", "<u2"),  # least, an unknown one as 0
        ("count", "<u2"),
        ("score", "u1"),  # greatest; twice the score plus 1, 0 unknown
        ("flags", "u1"),  # MUTUAL
    ]
)
"""One actor within one slice."""

SAMPLE: Final = 128
"""Actors kept a slice: a standard error of 1 / sqrt(126) = 9 %, about half a point of the score."""

WHOLE: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""The threshold of a slice that turned nobody away."""

_SLICES_SPAN: Final = 1 << 32
_COUNT_LAST: Final = 0xFFFF
_WORTH_LAST: Final = 0xFFFF_FFFF


def entries_of(events: NDArray[np.void]) -> NDArray[np.void]:
    """Return one entry for each event. Who acts on oneself, posts or undoes is no engager: leave those out before."""
    entries = np.zeros(len(events), ENTRY)
    entries["actor"] = events["actor"]
    entries["last"] = events["time"]
    entries["worth"] = np.maximum(events["worth"], 0)
    entries["age"] = events["age"]
    # What is not known is not held against an actor, and so must not give way to what is.
    entries["nth"] = np.where(events["nth"] == NTH_UNKNOWN, 0, events["nth"])
    entries["count"] = 1
    entries["score"] = events["score"]
    entries["flags"] = events["flags"]
    return entries


def is_engager(events: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which events make their actor an engager: an undone one stays, so the undo itself says nothing."""
    engages: NDArray[np.bool_] = (events["kind"] < POST_KIND) & ((events["flags"] & (UNDO | SELF)) == 0)
    return engages


def by_lane(lane: NDArray[np.int64], actor: NDArray[np.uint64]) -> NDArray[np.int64]:
    """
    Return the order by lane, then by actor.

    Two sorts, a quick one by digest and a stable one by the lanes, take half of what lexsort does.
    """
    order = np.argsort(actor)
    return order[np.argsort(lane[order], kind="stable")]


def merge(
    row: NDArray[np.int64], entries: NDArray[np.void], slice_seconds: int
) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """
    Merge entries of the same row, slice and actor.

    Returns:
        Rows and entries, sorted by row, slice and actor.
    """
    if len(row) == 0:
        return row, entries
    piece = (entries["last"] // np.uint32(slice_seconds)).astype(np.int64)
    order = by_lane(row * _SLICES_SPAN + (piece - piece.min()), entries["actor"])
    row, piece, entries = row[order], piece[order], entries.take(order)
    new = np.empty(len(row), np.bool_)
    new[0] = True
    new[1:] = (np.diff(row) != 0) | (np.diff(piece) != 0) | (np.diff(entries["actor"]) != 0)
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
    merged["flags"] = np.bitwise_or.reduceat(entries["flags"], start)
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
        Which entries stay, [m]; and for each slice that turned somebody away its row, its number and the smallest
        digest turned away.
    """
    piece = (entries["last"] // np.uint32(slice_seconds)).astype(np.int64)
    new = np.empty(len(row), np.bool_)
    new[0] = True
    new[1:] = (np.diff(row) != 0) | (np.diff(piece) != 0)
    start = np.flatnonzero(new)
    rank = np.arange(len(row)) - np.repeat(start, np.diff(np.append(start, len(row))))
    first_out = np.flatnonzero(rank == SAMPLE)
    return rank < SAMPLE, row[first_out], piece[first_out], entries["actor"][first_out]
