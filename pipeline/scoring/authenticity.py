"""
Authenticity: how much of an account's engagement looks like people's, 0 to 100.

It informs; it never lowers a score. What is suspicious already counts for less where it is counted: a mass actor's or a
newcomer's engagement has less worth and quality (`weights.py`), a repeated one is damped (`factors.py`).
So nobody is lowered by bots that a rival bought for them.

Newness and reciprocity raise no suspicion alone: a newcomer going viral among new accounts and a fan club whose members
all follow each other look just like that. They only sharpen a suspicion that mass activity has raised.
Bursts raise none at all: in Twitter's Higgs days the organic announcement was 38 times the median hour.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.factors import clamped
from pipeline.scoring.features import Features

SIGNALS: Final = ("mass actors", "new mass actors", "one actor")
"""The order of the columns of `suspicions`."""

ORDINARY_BUSY: Final = 0.15
"""Share of actors with more than 100 actions a day that is ordinary: heavy users engage with everyone."""

NEW_WEIGHT: Final = 0.5
"""How much newness adds to what mass activity left: new and busy at once is the mark of bought accounts."""

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
    """Return how strongly each signal speaks, float64[n, 3] in the order of `SIGNALS`, 0 to 1."""
    engagers = np.maximum(clamped(features.engagers), 1.0)
    evidence = engagers / (engagers + ENGAGERS_HALF)
    busy = _share(features.busy, engagers)
    mass = np.maximum(busy - ORDINARY_BUSY, 0.0) / (1.0 - ORDINARY_BUSY) * evidence
    fresh = _share(features.fresh, engagers) * NEW_WEIGHT
    return np.stack((mass, mass * fresh, _flood(features)), axis=1)


def _flood(features: Features) -> NDArray[np.float64]:
    """Return how far one actor makes up the engagement: their share, as far as they did more than a friend would."""
    top = clamped(features.top)
    events = np.maximum(features.counts[:, -1].sum(axis=1), 1)
    squared = top**2
    flood: NDArray[np.float64] = np.minimum(top / events, 1.0) * squared / (squared + FLOOD_HALF**2)
    return flood


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a part as a share of the whole, within 0 and 1."""
    return np.minimum(clamped(part) / whole, 1.0)
