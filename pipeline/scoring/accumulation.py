"""
Accumulation: the score of a person from the levels of all their accounts.

Raw influences are added, never averaged: a further account adds. The same holds for each factor by itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.factors import FACTOR_WEIGHTS, LARGEST, clamped
from pipeline.scoring.model import factor_values, reference


@dataclass(frozen=True, slots=True)
class Accumulated:
    """Columns of n persons."""

    score: NDArray[np.float64]
    """[n] within [1, 100], unrounded."""
    factors: NDArray[np.float64]
    """[n, 3] each factor from 0 to 100."""
    raw: NDArray[np.float64]
    """[n] the sum of the accounts' raw influences."""
    percentile: NDArray[np.float64]
    """[n] share of the reference population with a lower score, 0 to 100."""


def accumulate(levels: NDArray[np.float64], person: NDArray[np.int64], n: int) -> Accumulated:
    """
    Return the scores of n persons.

    Args:
        levels: float64[accounts, 3] in the order of `factors.FACTORS`. What is no number counts as 0.
        person: int64[accounts] whose account each is, 0 .. n - 1. Floats are added in this order: to get the same
            bits elsewhere, give the same order.
        n: The number of persons.
    """
    levels = bounded(levels)
    raw = _summed(raw_influence(levels), person, n)
    parts = np.stack([_summed(np.expm1(column), person, n) for column in levels.T], axis=1)
    level = np.log1p(clamped(raw))
    return Accumulated(
        score=reference().score(level),
        factors=factor_values(np.log1p(clamped(parts))),
        raw=raw,
        percentile=reference().percentile(level),
    )


def bounded(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return levels that another process sent within what there can be; 0 for what is no number."""
    return np.minimum(clamped(levels), np.log1p(LARGEST))


def raw_influence(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the raw influence of each account, float64[accounts], from its levels."""
    raw: NDArray[np.float64] = np.expm1(levels @ FACTOR_WEIGHTS)
    return raw


def _summed(values: NDArray[np.float64], person: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    summed: NDArray[np.float64] = np.bincount(person, values, n).astype(np.float64)
    return summed
