"""From rows to what the model sees: features, as of an instant."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.features import SCALES, Features
from pipeline.scoring.windows import KERNEL_ONE, QUARTER, SCALE_WINDOWS, SLICES, WINDOW_NAMES
from pipeline.state import actors
from pipeline.state.actor_sums import ActorSums
from pipeline.state.actors import ENTRY, WHOLE
from pipeline.state.compiled import compiled
from pipeline.state.events import UNDO, flatten
from pipeline.state.partition import Partition
from pipeline.state.sources import POST_KIND

_SCALE_OF: Final = np.array(
    [SCALE_WINDOWS.index(window) if window in SCALE_WINDOWS else -1 for window in range(len(WINDOW_NAMES))]
)
"""The time scale of each window; -1 of the one that has none."""

_WORTH_SCALE: Final = float(weights.WORTH_ONE * KERNEL_ONE)


def features(partition: Partition, rows: NDArray[np.int64], as_of: int | None = None) -> Features:
    """
    Return the features of settled rows.

    Args:
        partition: Settled.
        rows: int64[n], without repetition.
        as_of: Unix ms, not before the partition's own; that by default.
    """
    second = (partition.as_of if as_of is None else as_of) // 1000
    large = partition.large[rows].astype(np.int64)
    n = len(rows)
    counts = np.zeros((n, len(WINDOW_NAMES), POST_KIND + 1), np.int64)
    posts = np.zeros((n, SCALES))
    worth = np.zeros((n, SCALES))
    kernels = np.stack([partition.windows.slice_kernel(window, second) for window in SCALE_WINDOWS])
    is_small = large < 0
    small, big = np.flatnonzero(is_small), np.flatnonzero(~is_small)
    place = np.zeros(0, np.int64)
    entries = np.zeros(0, ENTRY)
    threshold = np.full(n, WHOLE, np.uint64)
    if len(small):
        events = partition.small_rows.events
        where, packed = np.repeat(small, events.lengths[rows[small]]), events.gather(rows[small])
        heads = np.array([partition.windows.head(window, second) for window in range(len(WINDOW_NAMES))])
        widths = np.array(partition.windows.slice_seconds)
        _count_events(heads, widths, kernels, where, packed, counts, posts, worth)
        engaged = actors.is_engager(packed)
        width = partition.windows.slice_seconds[QUARTER]
        chosen = np.flatnonzero(engaged)
        place, entries = actors.merge(where[chosen], actors.entries_of(packed.take(chosen)), width)
    if len(big):
        _count_slices(partition, second, kernels, big, large[big], counts, posts, worth)
        threshold[big] = _least_threshold(partition, second, large[big])
        where, held = flatten([partition.large_rows.samples[i] for i in large[big].tolist()], ENTRY)
        place, entries = np.concatenate([place, big[where]]), np.concatenate([entries, held])
    sums = ActorSums(partition.windows, second, n)
    sums.add(place, entries, threshold)
    return Features(
        networks=weights.NETWORKS,
        network=partition.network[rows].astype(np.int64),
        counts=np.maximum(counts[:, :, :POST_KIND], 0),
        posts=np.maximum(posts / KERNEL_ONE, 0.0),
        worth=np.maximum(worth / _WORTH_SCALE, 0.0),
        reach=sums.reach,
        impact=sums.impact,
        engagers=sums.engagers,
        discounted=sums.discounted,
        lockstep=sums.lockstep,
        top=sums.top,
        followers=partition.profiles.followers(rows),
    )


@compiled
def _count_events(
    heads: NDArray[np.int64],
    widths: NDArray[np.int64],
    kernels: NDArray[np.int64],
    place: NDArray[np.int64],
    packed: NDArray[np.void],
    counts: NDArray[np.int64],
    posts: NDArray[np.float64],
    worth: NDArray[np.float64],
) -> None:
    # Sums of integers below 2^53 are exact in floats, whatever their order.
    for i in range(len(packed)):
        event, row = packed[i], place[i]
        kind = event["kind"]
        if kind > POST_KIND:
            # Nothing writes one; a damaged row must not write beyond the counts.
            continue
        sign = -1 if event["flags"] & UNDO else 1
        for window in range(len(heads)):
            age = heads[window] - event["time"] // widths[window]
            if not 0 <= age < SLICES:
                continue
            counts[row, window, kind] += sign
            scale = _SCALE_OF[window]
            if scale >= 0:
                worth[row, scale] += event["worth"] * kernels[scale, age]
                if kind == POST_KIND:
                    posts[row, scale] += sign * kernels[scale, age]


def _count_slices(
    partition: Partition,
    second: int,
    kernels: NDArray[np.int64],
    big: NDArray[np.int64],
    large: NDArray[np.int64],
    counts: NDArray[np.int64],
    posts: NDArray[np.float64],
    worth: NDArray[np.float64],
) -> None:
    rows = partition.large_rows
    for window in range(len(WINDOW_NAMES)):
        inside, age = _ring(partition.windows.head(window, second), rows.heads[window])
        slices = rows.counts[large, window][:, inside].astype(np.int64)
        counts[big, window] = slices.sum(axis=1)
        if window in SCALE_WINDOWS:
            scale = SCALE_WINDOWS.index(window)
            weight = kernels[scale][age]
            worth[big, scale] = rows.worth[large, scale][:, inside] @ weight
            posts[big, scale] = slices[:, :, POST_KIND] @ weight


def _ring(head: int, filled: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ring positions of the slices that lie in the window at `head`, and their ages in slices."""
    pieces = np.arange(max(head, filled) - SLICES + 1, filled + 1)
    return pieces % SLICES, head - pieces


def _least_threshold(partition: Partition, second: int, large: NDArray[np.int64]) -> NDArray[np.uint64]:
    inside, _ = _ring(partition.windows.head(QUARTER, second), partition.large_rows.heads[QUARTER])
    held = partition.large_rows.thresholds[large][:, inside]
    return held.min(axis=1) if held.shape[1] else np.full(len(large), WHOLE, np.uint64)
