"""How well a ranking foresees what comes: Spearman's rank correlation, NDCG@100 and the overlap of the top 100."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TOP: Final = 100

Column = NDArray[np.float64]


def ranks(values: Column) -> Column:
    """Return ranks from 1, the mean rank for ties."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    return ((2 * last - size + 1) / 2)[group]


def spearman(predicted: Column, actual: Column) -> float:
    """Return Spearman's rank correlation, 0 where one of the two is constant."""
    if np.ptp(predicted) == 0 or np.ptp(actual) == 0:
        return 0.0
    return float(np.corrcoef(ranks(predicted), ranks(actual))[0, 1])


def ndcg(predicted: Column, actual: Column, top: int = TOP) -> float:
    """
    Return NDCG at `top` with the gain log1p(actual) (Jarvelin, Kekalainen 2002).

    Users with equal predictions share the mean gain of their places, so that no order of the input matters
    (McSherry, Najork, ECIR 2008).
    """
    gain = np.log1p(actual)
    _, group, size = np.unique(-predicted, return_inverse=True, return_counts=True)
    mean_gain = np.bincount(group, gain) / size
    places = min(top, len(gain))
    discount = 1.0 / np.log2(np.arange(2, places + 2))
    best = float(np.sort(gain)[::-1][:places] @ discount)
    return float(np.repeat(mean_gain, size)[:places] @ discount) / best if best else 0.0


def overlap(predicted: Column, actual: Column, top: int = TOP) -> float:
    """Return the share of the top users that the ranking's top holds."""
    places = min(top, len(actual))
    return len(np.intersect1d(_leaders(predicted, places), _leaders(actual, places))) / places


def _leaders(values: Column, places: int) -> NDArray[np.int64]:
    return np.argsort(-values, kind="stable")[:places]
