"""
Pace: which rows are engaged with faster than once a minute, from four bytes a row.

The generic cell rate algorithm (ITU-T I.371): each row keeps the time at which a bucket that leaks one engagement a
minute will be empty. Only rows whose bucket fills beyond `DEPTH` are looked at more closely.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

DRAIN_SECONDS: Final = 240
"""An engagement leaks out in so many seconds."""

DEPTH: Final = 5
"""Engagements that the bucket holds: fewer than a spike needs, so that it is not told later."""

_APART: Final = 1 << 34
"""More than any times differ by."""


def pour(
    empty_at: NDArray[np.int64], place: NDArray[np.int64], time: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Pour engagements into the buckets of n rows.

    Args:
        empty_at: [n], seconds, when each bucket will be empty.
        place: [m], the place of each engagement's row, rising.
        time: [m], seconds, rising within a row.

    Returns:
        [n] when each bucket will then be empty, and [m] the seconds it takes to drain after each engagement.
    """
    start = np.searchsorted(place, np.arange(len(empty_at)))
    nth = np.arange(len(place)) - start[place]
    # Without leaks beyond empty, each pours DRAIN_SECONDS on top of the one before.
    base = np.maximum(time - nth * DRAIN_SECONDS, empty_at[place])
    apart = place * _APART
    filled = np.maximum.accumulate(base + apart) - apart + (nth + 1) * DRAIN_SECONDS
    end = np.append(start[1:], len(place)) - 1
    return filled[end], filled - time
