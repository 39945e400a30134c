"""
The three factors of a score, on logarithmic levels.

A level is a weighted mean of logarithms over three time scales: each factor of e in engagement adds the same,
so that the raw influence built from them (`model.py`) is a weighted geometric mean over scales and factors.
Every level rises with every engagement, by whomever: no mean over actors, nothing that a rival could lower.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.features import Features

FACTORS: Final = ("true_reach", "amplification", "network_impact")
"""The order of every column of factors."""

FACTOR_WEIGHTS: Final[NDArray[np.float64]] = np.array([0.5, 0.25, 0.25])
"""
Reach carries half: what the score should predict is the number of people moved next (Klout's "PeopleRank" put the
people influenced first, too; blog.klout.com/2011/11). How much and by whom they are moved share the other half.
"""

SCALE_WEIGHTS: Final[NDArray[np.float64]] = np.array([2.0, 4.0, 3.0]) / 9.0
"""
24 h, 7 d and 90 d. A rise shows on all three at once, standing only on the last: both are seen.
The week weighs most: it holds every weekday once, and is short enough to see a rise.
A day is the noisiest measurement of the three (a Poisson count's error grows as its window shrinks): half as much.
"""

CARRY: Final[NDArray[np.float64]] = np.array([[1.0, 0.0, 0.0], [1e-3, 1.0, 0.0], [1e-6, 1e-3, 1.0]])
"""
Each scale sees a thousandth of the next longer one, too. Without it the logarithm of a great burst that leaves a
window would fall from thousands to nothing within the last minutes: a cliff of ten points. With it the score of a burst
of up to 100,000 people falls by at most 2.5 points an hour.
"""

FLOOD_POSTS: Final = np.array([1.0, 7.0, 90.0]) * 100.0 * 8.0 / 15.0
"""
Faded posts, on each scale, that everyone may make: a hundred a day, of which the kernel's mean of 8/15 is left.
Busy newsrooms and the most talkative people stay below it.
"""

FLOOD_PER_ENGAGER: Final = 3.0
"""Further posts for each person engaged: who moves many may speak often."""

LARGEST: Final = 1e12
"""More than all engagement there is: columns are clamped to it, so that absurd input cannot overflow."""

AVERAGE_INFLUENCE: Final = 12 / 1024
"""`weights.influence` of an actor at 20, the average: network impact is counted in average actors."""

GRANTED_POSTS: Final = 3.0
"""Posts that everyone is taken to have made: a ratio over fewer says little, and zero posts are defined."""

AUDIENCE_WEIGHT: Final = 0.05
"""A million followers then add 0.7 to reach's level, as much as doubling those who engage: a little."""

AUDIENCE_SATURATION: Final = 1e6
"""Followers beyond a million add less and less: a count that can be bought is no evidence (Cha et al., ICWSM 2010)."""

AUDIENCE_HALF: Final = 5.0
"""Engagers at which the audience counts half: without engagement, followers are worth next to nothing."""

AUDIENCE_FLOOR: Final = 0.02
"""What is left of it: a fiftieth of an engager, enough to order accounts that nobody engages with."""


def levels(features: Features) -> NDArray[np.float64]:
    """Return the levels of the factors, float64[n, 3] in the order of `FACTORS`, each 0 or more."""
    seen = clamped(np.stack((features.reach, features.worth, features.impact, features.posts))) @ CARRY
    reach, worth, impact, posts = seen
    reach, worth, impact = heard(posts, reach, FLOOD_POSTS) * np.stack((reach, worth, impact))
    parts = np.stack((reach, per_post(damped(worth, reach), posts), impact / AVERAGE_INFLUENCE))
    blended: NDArray[np.float64] = (np.log1p(parts) @ SCALE_WEIGHTS).T
    blended[:, 0] += audience(features.followers, reach[:, -1])
    return blended


def clamped(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a column within 0 and `LARGEST`, 0 where it is not a number."""
    return np.fmin(np.fmax(column, 0.0), LARGEST)


def heard(posts: NDArray[np.float64], reach: NDArray[np.float64], free: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the share of engagement that counts, by how many posts it took: 1 / (1 + (p / (free + 3 r))^4), 0 to 1.

    Bots that posted a fortune-cookie line every minute gathered an influencer's Klout from passers-by (wallblog,
    2010/12). Of the account's own doing alone: nobody else can flood for it. Rises with reach, so that with it the
    engagement that counts still rises with every engagement.
    """
    squared = np.square(posts / (free + FLOOD_PER_ENGAGER * reach))
    share: NDArray[np.float64] = 1.0 / (1.0 + np.square(squared))
    return share


def damped(worth: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return engagement in which repetition by the same actors counts less and less: reach * worth / (reach + worth).

    Each actor's engagement saturates like k / (1 + k) of k repetitions, taken at the mean over actors: ten thousand
    likes by one fan are worth at most twice what the first one is.
    Rises with both arguments (half their harmonic mean), so that 100 shares from 100 people are worth more than 100
    from one, and still no engagement lowers anything.
    """
    return reach * worth / np.maximum(reach + worth, 1e-12)


def per_post(engagement: NDArray[np.float64], posts: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return engagement per post: e / (3 + p + sqrt(e)).

    Everyone is granted `GRANTED_POSTS`, so that few posts make no wonder of a few likes.
    sqrt(e) stands for posts that nobody reported (older ones, networks that tell of none): without it, accounts whose
    posts are unknown would beat all others; with it they grow like the root of their engagement.
    Rises with e, falls with p: the ratio of Klout's first rule.
    """
    return engagement / (GRANTED_POSTS + posts + np.sqrt(engagement))


def audience(followers: NDArray[np.int64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what followers add to reach's level, float64[n]: little, saturating, and only as far as people engage."""
    known = np.maximum(followers, 0).astype(np.float64)
    seen = np.log1p(known / (1.0 + known / AUDIENCE_SATURATION))
    return AUDIENCE_WEIGHT * seen * (reach + AUDIENCE_FLOOR) / (reach + AUDIENCE_HALF)
