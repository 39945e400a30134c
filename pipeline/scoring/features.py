"""What the model sees of each row: columns, as of one instant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.credit import SIGNALS
from pipeline.scoring.windows import SCALE_WINDOWS, WINDOW_NAMES

SCALES = len(SCALE_WINDOWS)
"""Time scales of the faded columns: 24 h, 7 d and 90 d, in this order."""


@dataclass(frozen=True, slots=True)
class Features:
    """
    Columns of n rows, each an account at one network.

    "Faded" columns hold one value per time scale (24 h, 7 d, 90 d): what happened, weighted by the kernel at its age.
    """

    networks: tuple[str, ...]
    """Names of the networks that `network` points into."""
    network: NDArray[np.int64]
    """[n] the row's network."""
    counts: NDArray[np.int64]
    """[n, 4 windows, 4 kinds] engagements received, never below 0."""
    posts: NDArray[np.float64]
    """[n, 3] faded number of posts."""
    worth: NDArray[np.float64]
    """[n, 3] faded engagement: each by its kind, its network and how busy the actor was that day; 1.0 = one like."""
    reach: NDArray[np.float64]
    """[n, 3] faded number of distinct actors, each by quality (0..1: spam and mass actors aside)."""
    impact: NDArray[np.float64]
    """[n, 3] the same sum as `reach`, with each actor also weighted by influence (0..1, from the actor's score)."""
    engagers: NDArray[np.float64]
    """[n] distinct actors within 90 d, unweighted; exact when few."""
    discounted: NDArray[np.float64]
    """[n, 3] how many of `engagers` each of `credit.SIGNALS` takes out of the count."""
    lockstep: NDArray[np.float64]
    """[n] how many of `engagers` came within the same seconds as the same others, more than once."""
    top: NDArray[np.float64]
    """[n] engagements within 90 d of the actor who engaged most (of the sampled ones, when there are many)."""
    followers: NDArray[np.int64]
    """[n] followers by the profile; -1 where it does not say. May be absurd: clamp."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.network)

    def pick(self, places: NDArray[np.int64] | slice) -> "Features":
        """Return some of the rows."""
        columns = {name: getattr(self, name)[places] for name in self.__dataclass_fields__ if name != "networks"}
        return Features(networks=self.networks, **columns)


def empty(n: int, networks: tuple[str, ...] = ("",)) -> Features:
    """Return the features of `n` rows that nothing ever happened to."""
    return Features(
        networks=networks,
        network=np.zeros(n, np.int64),
        counts=np.zeros((n, len(WINDOW_NAMES), 4), np.int64),
        posts=np.zeros((n, SCALES)),
        worth=np.zeros((n, SCALES)),
        reach=np.zeros((n, SCALES)),
        impact=np.zeros((n, SCALES)),
        engagers=np.zeros(n),
        discounted=np.zeros((n, len(SIGNALS))),
        lockstep=np.zeros(n),
        top=np.zeros(n),
        followers=np.full(n, -1, np.int64),
    )
