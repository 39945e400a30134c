"""
Sorting what is nearly in order: a merge sort of the runs that are there already (Knuth, TAOCP 5.2.4).

Rows stand one after the other, and so do each row's slices: samples of actors are long runs. Where runs are short,
numpy is as fast.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled

_LONG: Final = 4
"""Mean length of the runs from which on merging them is faster than to sort anew."""


@compiled
def _is_less(major: NDArray[np.int64], minor: NDArray[np.uint64], a: int, b: int) -> bool:
    return bool(major[a] < major[b] or (major[a] == major[b] and minor[a] < minor[b]))


@compiled
def _merge(
    major: NDArray[np.int64],
    minor: NDArray[np.uint64],
    start: int,
    middle: int,
    end: int,
    order: NDArray[np.int64],
    left: NDArray[np.int64],
) -> None:
    """Merge two sorted runs that are neighbours in `order`."""
    first = order[middle]
    if not _is_less(major, minor, first, order[middle - 1]):
        return
    # What is not above the second run's first stays where it is.
    low, high = start, middle - 1
    while low < high:
        half = (low + high) // 2
        if _is_less(major, minor, first, order[half]):
            high = half
        else:
            low = half + 1
    n = middle - low
    left[:n] = order[low:middle]
    i, j, to = 0, middle, low
    while i < n and j < end:
        if _is_less(major, minor, order[j], left[i]):
            order[to] = order[j]
            j += 1
        else:
            order[to] = left[i]
            i += 1
        to += 1
    order[to : to + n - i] = left[i:n]


@compiled
def _find_runs(
    major: NDArray[np.int64], minor: NDArray[np.uint64], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> int:
    runs = 0
    for i in range(len(order)):
        order[i] = i
        if i == 0 or _is_less(major, minor, i, i - 1):
            starts[runs] = i
            runs += 1
    starts[runs] = len(order)
    return runs


@compiled
def _merge_runs(
    major: NDArray[np.int64],
    minor: NDArray[np.uint64],
    order: NDArray[np.int64],
    left: NDArray[np.int64],
    starts: NDArray[np.int64],
    runs: int,
) -> None:
    while runs > 1:
        for run in range(0, runs - 1, 2):
            _merge(major, minor, starts[run], starts[run + 1], starts[run + 2], order, left)
        runs = (runs + 1) // 2
        for run in range(runs):
            starts[run] = starts[2 * run]
        starts[runs] = len(order)


def order_by(major: NDArray[np.int64], minor: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the order of n pairs of keys, int64[n]; in which order equal ones come is not said."""
    n = len(major)
    order, starts = np.empty(n, np.int64), np.empty(n + 1, np.int64)
    runs = _find_runs(major, minor, order, starts)
    if runs * _LONG < n:
        _merge_runs(major, minor, order, np.empty(n, np.int64), starts, runs)
        return order
    # Two sorts, a quick one and a stable one, take half of what lexsort does.
    order = np.argsort(minor)
    return order[np.argsort(major[order], kind="stable")]
