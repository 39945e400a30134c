"""
Authenticity: how much of an account's engagement is believed to be people's, 0 to 100.

It sums up what the discount does (`credit.py` for each actor, `factors.heard` for floods of posts), by signal, and adds
two that make no discount of their own: a single actor's flood, which repetition damps anyway, and lockstep, which only
shows in a crowd: if it took something away, a rival's bots could fall into step with people. It lowers nothing itself.

Bursts raise no suspicion: in Twitter's Higgs days the organic announcement was 38 times the median hour.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import credit
from pipeline.scoring.factors import FLOOD_POSTS, clamped, heard
from pipeline.scoring.features import Features

SIGNALS: Final = (*credit.SIGNALS, "one actor", "flood of posts", "lockstep")
"""The order of the columns of `suspicions`."""

ORDINARY_LOSS: Final = 0.15
"""Share of the engagers that mass activity takes from everybody: heavy users engage with everyone."""

ENGAGERS_HALF: Final = 10.0
"""Engagers at which a share of them counts half: three busy readers are no campaign."""

FLOOD_HALF: Final = 100.0
"""Engagements of one actor at which their flood counts half: a best friend likes dozens of posts in 90 days."""


def authenticity(features: Features) -> NDArray[np.int64]:
    """Return int64[n], 0 to 100: the product of what each signal leaves."""
    left = np.prod(1.0 - suspicions(features), axis=1)
    rounded: NDArray[np.int64] = np.rint(100.0 * left).astype(np.int64)
    return rounded


def suspicions(features: Features) -> NDArray[np.float64]:
    """Return how strongly each signal speaks, float64[n, 6] in the order of `SIGNALS`, 0 to 1."""
    engagers = np.maximum(clamped(features.engagers), 1.0)
    evidence = engagers / (engagers + ENGAGERS_HALF)
    lost = np.minimum(clamped(features.discounted) / engagers[:, None], 1.0)
    lost[:, 0] = np.maximum(lost[:, 0] - ORDINARY_LOSS, 0.0) / (1.0 - ORDINARY_LOSS)
    together = np.minimum(clamped(features.lockstep) / engagers, 1.0) * evidence
    return np.column_stack((lost * evidence[:, None], _one_actor(features), _flood(features), together))


def _one_actor(features: Features) -> NDArray[np.float64]:
    """Return how far one actor makes up the engagement: their share, as far as they did more than a friend would."""
    top = clamped(features.top)
    events = np.maximum(features.counts[:, -1].sum(axis=1), 1)
    squared = top**2
    flood: NDArray[np.float64] = np.minimum(top / events, 1.0) * squared / (squared + FLOOD_HALF**2)
    return flood


def _flood(features: Features) -> NDArray[np.float64]:
    """Return how much of the engagement a flood of posts costs, on the longest scale."""
    posts, reach = clamped(features.posts[:, -1]), clamped(features.reach[:, -1])
    return 1.0 - heard(posts, reach, FLOOD_POSTS[-1:])
