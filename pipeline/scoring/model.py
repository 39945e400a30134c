"""
The score: features in, a number from 1 to 100 out, with what stands behind it.

raw influence = exp(weighted mean of the factors' levels) - 1, per account at one network: a geometric mean.
Raw influences of linked accounts are added (`accumulation.py`), never averaged: a further network adds.
score = curve(ln(1 + sum)), by the reference population.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.authenticity import authenticity
from pipeline.scoring.factors import FACTOR_WEIGHTS, clamped, levels
from pipeline.scoring.features import Features
from pipeline.scoring.population import Reference, load

CHUNK: Final = 8_192
"""Rows scored at once: what is computed in between stays in the processor's cache."""

DEFAULT: Final = "clout-1"
"""The model that the package ships."""

BUCKETS: Final = ("1-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90-100")
"""Klout's buckets."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Columns of n rows."""

    score: NDArray[np.float64]
    """[n] within [1, 100], unrounded."""
    factors: NDArray[np.float64]
    """[n, 3] each factor from 0 to 100, in the order of `factors.FACTORS`."""
    raw: NDArray[np.float64]
    """[n] raw influence, 0 or more: what accounts linked to one person are added by."""
    percentile: NDArray[np.float64]
    """[n] share of the reference population with a lower score, 0 to 100."""
    confidence: NDArray[np.float64]
    """[n] how much evidence there is, 0 to 1."""
    bucket: NDArray[np.int64]
    """[n] index into `BUCKETS`."""
    authenticity: NDArray[np.int64]
    """[n] 0 to 100."""

    def pick(self, places: NDArray[np.int64]) -> "Scores":
        """Return some of the rows."""
        return Scores(**{name: getattr(self, name)[places] for name in self.__dataclass_fields__})


class _InForce:
    """The one model of this process."""

    name = DEFAULT
    reference: Reference = load(DEFAULT)


def reference() -> Reference:
    """Return the reference distribution that scores are read from; its `model` is stamped on every score."""
    return _InForce.reference


def use(name: str) -> None:
    """
    Read scores from another reference distribution; `pipeline.deployment` has every process of a deployment do so.

    Args:
        name: As for `population.load`.

    Raises:
        ConfigError: There is none, or the file holds something else.
    """
    if name != _InForce.name:
        _InForce.reference, _InForce.name = load(name), name


def score(features: Features) -> Scores:
    """Return the scores of n rows, each an account at one network."""
    if len(features) <= CHUNK:
        return _score(features)
    chunks = [_score(features.pick(slice(start, start + CHUNK))) for start in range(0, len(features), CHUNK)]
    names = Scores.__dataclass_fields__
    return Scores(**{name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names})


def _score(features: Features) -> Scores:
    parts = levels(features)
    level = parts @ FACTOR_WEIGHTS
    points = reference().score(level)
    return Scores(
        score=points,
        factors=factor_values(parts),
        raw=np.expm1(level),
        percentile=reference().percentile(level),
        confidence=confidence(features.engagers),
        bucket=bucket(points),
        authenticity=authenticity(features),
    )


def confidence(engagers: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return how much evidence n engagers are, float64[n], 0 to 1: 1 - 1/sqrt(1 + n).

    1/sqrt(n) is the relative error of a Poisson count: 0.5 at 3 engagers, 0.9 at 99, 0.99 at 10,000.
    """
    evidence: NDArray[np.float64] = 1.0 - 1.0 / np.sqrt(1.0 + clamped(engagers))
    return evidence


def bucket(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return indices into `BUCKETS`, int64[n]."""
    return np.minimum(score / 10.0, len(BUCKETS) - 1).astype(np.int64)


def factor_values(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factors from 0 to 100, float64[n, 3]."""
    values = np.empty_like(parts)
    for column, curve in enumerate(reference().factors):
        values[:, column] = 100.0 * curve.share(parts[:, column])
    return values
