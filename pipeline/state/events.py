"""Events in the form that a row keeps: 24 bytes each."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.sources import POST_KIND

EVENT: Final = np.dtype(
    [
        ("actor", "<u8"),  # digest of the actor's id
        ("time", "<u4"),  # event time, seconds
        ("worth", "<i4"),  # fixed point; negative for an undo
        ("age", "<u2"),  # the actor's age in days, plus 1; 0 unknown
        ("nth", "<u2"),  # the actor's actions before this one that day; NTH_UNKNOWN
        ("kind", "u1"),  # 0..3 like, share, comment, follow; 4 a post
        ("flags", "u1"),
        ("score", "u1"),  # twice the actor's score, plus 1; 0 unknown
        ("spare", "u1"),
    ]
)
"""What a small row keeps of each event, and what is staged for every row."""

UNDO: Final = 1
MUTUAL: Final = 2
SELF: Final = 4
"""Flags: withdraws an event; the target engages with the actor too; the actor is the target."""

NTH_UNKNOWN: Final = 0xFFFF
NTH_LAST: Final = 0xFFFE
AGE_LAST: Final = 0xFFFE
TIME_LAST_MS: Final = 0xFFFF_FFFF * 1000
"""The year 2106: later times do not fit an event."""


def is_counted(events: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which events are engagements that say who acted: no posts, and nothing withdrawn."""
    counted: NDArray[np.bool_] = (events["kind"] < POST_KIND) & ((events["flags"] & UNDO) == 0)
    return counted


def flatten(blobs: Sequence[bytes], dtype: np.dtype[np.void]) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """
    Return the records in a sequence of packed rows.

    Returns:
        The place in `blobs` of each record, [m], and the records, [m].
    """
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // dtype.itemsize
    return np.repeat(np.arange(len(blobs)), lengths), np.frombuffer(b"".join(blobs), dtype)


def joined(runs: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Return runs of records of one type, of whole words of 8 bytes: numpy would compare their types run by run."""
    if len(runs) == 1:
        return runs[0]
    return np.concatenate([run.view(np.uint64) for run in runs]).view(runs[0].dtype)
