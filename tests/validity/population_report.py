"""The distribution of scores of a million simulated users, with several published tails."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from pipeline.scoring import model
from tests.validity.reference import EXPONENT, USERS, simulate

EXPONENTS: Final = (2.0, EXPONENT, 2.5)
"""Of the density of engagers per user: the fit's, which is published for Twitter, and a heavier and a lighter tail."""

SEED: Final = 7
"""Another draw than the fit's."""


class Population(msgspec.Struct, frozen=True):
    """How the scores of simulated users are distributed."""

    exponent: float
    users: int
    mean: float
    median: float
    highest: float
    above_90: int
    buckets: list[int]
    """Users in each of `model.BUCKETS`."""


def population(users: int = USERS) -> list[Population]:
    """Return the distribution for each tail."""
    return [_distribution(users, exponent) for exponent in EXPONENTS]


def _distribution(users: int, exponent: float) -> Population:
    score = model.score(simulate(users, SEED, exponent)).score
    buckets = np.bincount(model.bucket(score), minlength=len(model.BUCKETS)).tolist()
    return Population(
        exponent,
        users,
        float(score.mean()),
        float(np.median(score)),
        float(score.max()),
        int((score > 90).sum()),
        buckets,
    )


def population_table(found: Sequence[Population]) -> str:
    """Return a line for each tail."""
    lines = ["Simulated users", f"{'exponent':>10}{'users':>12}{'mean':>8}{'median':>8}{'highest':>9}{'above 90':>10}"]
    lines += [
        f"{p.exponent:>10}{p.users:>12,}{p.mean:>8.2f}{p.median:>8.2f}{p.highest:>9.2f}{p.above_90:>10}" for p in found
    ]
    return "\n".join(lines)
