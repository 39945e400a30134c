"""
Lockstep: actors who come within the same seconds as the same others, again and again.

Machines that work through one list do so; people do not, however great the burst: who answers a post within a minute
shares five seconds with others once, not twice with the same ones. It is read from what the samples of actors hold
anyway, the newest engagement of each actor in each slice, and so depends on neither order nor batches. The idea is
CopyCatch's (Beutel et al., WWW 2013: groups that act together in time, on several occasions).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SECONDS: Final = 5
"""Actors who came within the same five seconds came together."""

TOGETHER: Final = 5
"""
Actors who came together twice, at least, to be in lockstep. Of 128 sampled readers who all answer two posts within a
minute of each, some 0.3 groups of five meet twice by chance.
"""


def in_lockstep(place: NDArray[np.int64], start: NDArray[np.int64], last: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """
    Tell which actors are in lockstep with others of their row, bool[k].

    Args:
        place: int64[m] each entry's row; entries of one actor are neighbours, one a slice.
        start: int64[k] where each actor's entries begin.
        last: uint32[m] the newest engagement of each entry, seconds.
    """
    found = np.zeros(len(start), np.bool_)
    slices = np.diff(start, append=len(place))
    often = np.flatnonzero(slices > 1)
    if len(often) < TOGETHER:
        return found
    rows = place[start[often]]
    often = often[np.bincount(rows)[rows] >= TOGETHER]
    if not len(often):
        return found
    actor = np.repeat(often, slices[often])
    first = np.repeat(start[often], slices[often])
    inner = np.arange(len(actor)) - np.repeat(np.cumsum(slices[often]) - slices[often], slices[often])
    bins = last[first + inner].astype(np.int64) // SECONDS
    order = np.lexsort((bins, actor))
    actor, bins = actor[order], bins[order]
    pair = np.flatnonzero(actor[1:] == actor[:-1])
    meeting = np.stack((place[start[actor[pair]]], bins[pair], bins[pair + 1]))
    order = np.lexsort(meeting)
    is_new = np.any(np.diff(meeting[:, order], axis=1, prepend=-1) != 0, axis=0)
    group = np.cumsum(is_new) - 1
    found[actor[pair[order]][np.bincount(group)[group] >= TOGETHER]] = True
    return found
