"""
The simulated population behind the model's reference distribution, and the command that fits the data file to it.

`python -m tests.validity.reference` writes pipeline/scoring/data/clout-1.json.
"""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

import pipeline.scoring
from pipeline.scoring.factors import FACTOR_WEIGHTS, levels
from pipeline.scoring.features import Features, empty
from pipeline.scoring.population import Reference, fit

USERS: Final = 1_000_000
SEED: Final = 2012

EXPONENT: Final = 2.276
"""
Tail exponent of the density of distinct engagers per user, as Twitter's followers have it up to 100,000
(Kwak, Lee, Park, Moon, "What is Twitter, a social network or a news media?", WWW 2010, figure 1).
"""

LEAST: Final = 25.0
"""
Expected engagers in 90 days of the least engaged-with: the median is then near 43, the mean near 110.
Recorded Klout answers of July 2011 gave a true reach of 80 to a score of 26 and of 206 to 33 (zigotto/klout-api).
"""

MOST: Final = USERS / 2
"""Nobody is engaged with by more than half of everyone."""

EVENTS_PER_ENGAGER: Final = 2.0
"""Engagements by one actor with one user in 90 days, on average; Higgs: 1.2 in four days about one subject."""

KERNEL_MEAN: Final = 8 / 15
"""The mean of the biweight kernel over its window: events spread evenly."""

SOURCE: Final = (
    f"{USERS:,} simulated users: distinct engagers in 90 days by a power law of exponent {EXPONENT} from {LEAST:.0f} "
    "up (Kwak et al. 2010, figure 1), engagements per engager by a gamma law, posts, followers and bursts log-normal; "
    f"tests/validity/reference.py, seed {SEED}"
)


def simulate(users: int = USERS, seed: int = SEED, exponent: float = EXPONENT) -> Features:
    """Return the features of a population whose engagement has heavy tails."""
    random = np.random.default_rng(seed)
    expected = np.minimum(LEAST * (1.0 - random.random(users)) ** (-1.0 / (exponent - 1.0)), MOST)
    engagers = random.poisson(expected).astype(np.float64)
    reach = _seen(random, engagers) * 0.75
    repeats = random.gamma(4.0, EVENTS_PER_ENGAGER / 4.0, users)[:, None]
    features = empty(users)
    return Features(
        networks=features.networks,
        network=features.network,
        counts=features.counts,
        posts=_posts(random, users),
        worth=reach * (1.0 + repeats),
        reach=reach,
        impact=reach * random.lognormal(np.log(0.02), 0.7, (users, 1)),
        engagers=engagers,
        discounted=features.discounted,
        lockstep=features.lockstep,
        top=features.top,
        followers=np.rint(expected * random.lognormal(np.log(10.0), 1.5, users)).astype(np.int64),
    )


def _seen(random: np.random.Generator, engagers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return faded distinct engagers, float64[n, 3]: fewer on the shorter scales, where activity comes in bursts."""
    rates = EVENTS_PER_ENGAGER * np.array([1.0, 7.0]) / 90.0
    bursts = random.lognormal(-0.5, 1.0, (len(engagers), 2))
    short = random.poisson(engagers[:, None] * -np.expm1(-rates * bursts))
    return np.concatenate((short.astype(np.float64), engagers[:, None]), axis=1) * KERNEL_MEAN


def _posts(random: np.random.Generator, users: int) -> NDArray[np.float64]:
    """Return faded posts, float64[n, 3]: a median of 30 in 90 days."""
    quarter = random.lognormal(np.log(30.0), 1.5, (users, 1)).astype(np.float64)
    posts: NDArray[np.float64] = quarter * np.array([1.0, 7.0, 90.0]) / 90.0 * KERNEL_MEAN
    return posts


def reference() -> Reference:
    """Return the reference distribution fitted to the simulated population."""
    parts = levels(simulate())
    return fit("clout-1", SOURCE, parts @ FACTOR_WEIGHTS, parts)


def main() -> None:
    """Write the data file."""
    path = Path(pipeline.scoring.__file__).parent / "data" / "clout-1.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(reference()), indent=1) + b"\n")
    print(path.name)


if __name__ == "__main__":
    main()
