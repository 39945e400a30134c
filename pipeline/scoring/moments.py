"""
Moments: how many points of a score a post is worth.

The score is computed again without the post's part of the engagement: on each time scale what people, influence and
worth there is shrinks by the post's share of the engagements counted in that window. It takes a post's actors for
average ones, who engaged with nothing else; so the points of several posts need not add up.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model
from pipeline.scoring.features import Features
from pipeline.scoring.windows import SCALE_WINDOWS


def points(features: Features, row: NDArray[np.int64], earned: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the points that each of m posts is worth to the score of the account it belongs to, [m], 0 at least.

    Args:
        features: n rows.
        row: [m], each post's place in them.
        earned: [m, 4 windows], the engagements that each post earned.
    """
    if not len(row):
        return np.zeros(0)
    mine = features.pick(row)
    counted = np.maximum(mine.counts.sum(axis=2), 1)
    left = 1.0 - np.clip(earned / counted, 0.0, 1.0)[:, list(SCALE_WINDOWS)]
    without = replace(mine, worth=mine.worth * left, reach=mine.reach * left, impact=mine.impact * left)
    difference: NDArray[np.float64] = model.score(mine).score - model.score(without).score
    return np.maximum(difference, 0.0)
