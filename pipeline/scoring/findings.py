"""
Findings: what is strong and what is weak about an account, in plain words, and the one change that would help most.

A factor is strong or weak against what is usual at the account's own score: each factor's scale is fitted to the same
population as the score's. Every change is tried out on the model itself: its gain is what the score would be.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.authenticity import SIGNALS
from pipeline.scoring.factors import FACTOR_WEIGHTS, FLOOD_POSTS, levels
from pipeline.scoring.features import Features
from pipeline.scoring.model import factor_values, reference

NOTABLE: Final[NDArray[np.float64]] = np.array([2.5, 11.0, 5.0])
"""
Points above or below the score at which each factor is worth a word: the standard deviation among the simulated users,
so that a third of them hear of it.
"""

PACE_NOTABLE: Final = 1.5
"""A week is worth a word when it brings so many times the people, or one in so many, that a usual week brings."""

SUSPICION_NOTABLE: Final = 0.1
"""Share of the engagement at which a signal is worth a word."""

FEW: Final = 10
"""Engagers below which a count is off by a third, give or take: little evidence."""

LEAST_GAIN: Final = 0.05
"""Points below which no change is worth recommending."""

WEEK_OF_QUARTER: Final = 7.0 / 90.0
"""Share of the faded people of 90 days that a steady account has in its faded week: both kernels have the same mean."""

STRONG: Final = (
    "Many different people engage, for this score.",
    "Each post earns much engagement, for this score.",
    "Those who engage are listened to themselves.",
)
WEAK: Final = (
    "Few different people engage, for this score.",
    "Each post earns little engagement, for this score.",
    "Those who engage are hardly listened to themselves.",
)
"""In the order of `factors.FACTORS`."""

DISCOUNTED: Final = dict(
    zip(
        SIGNALS,
        (
            "Mass activity: many who engage act dozens of times a day, so they count for little.",
            "New and busy: many who engage are new accounts that are busy already, so they count for little.",
            "Traded engagement: many engage in return or only follow back, so they count for little.",
            "One actor: much of the engagement comes from a single account, and repetition counts for little.",
            "Flood of posts: there are so many posts that engagement with them counts for little.",
            "Lockstep: many engage within the same seconds as the same others, again and again, as machines do.",
        ),
        strict=True,
    )
)

Change = tuple[str, Callable[[Features], NDArray[np.float64]]]
"""What to do, and the levels, float64[n, 3], that an account would have then."""


def sentences(
    features: Features, score: NDArray[np.float64], suspicion: NDArray[np.float64]
) -> list[tuple[list[str], list[str]]]:
    """
    Return the strengths and the weaknesses of n accounts, one sentence each.

    Args:
        features: n rows.
        score: float64[n], of these rows alone.
        suspicion: float64[n, 6], from `authenticity.suspicions`.
    """
    lead = factor_values(levels(features)) - score[:, None]
    columns = zip(
        (lead >= NOTABLE).tolist(),
        (lead <= -NOTABLE).tolist(),
        _pace(features).tolist(),
        (suspicion >= SUSPICION_NOTABLE).tolist(),
        features.engagers.tolist(),
        strict=True,
    )
    return [(_strengths(strong, *rest), _weaknesses(weak, *rest)) for strong, weak, *rest in columns]


def _strengths(strong: list[bool], pace: float, suspect: list[bool], engagers: float) -> list[str]:
    found = list(compress(STRONG, strong))
    if pace >= PACE_NOTABLE:
        found.append(f"Rising: this week brings {pace:.1f} times the people of a usual one.")
    if engagers >= FEW and not any(suspect):
        found.append("The engagement looks like people's own choice.")
    return found


def _weaknesses(weak: list[bool], pace: float, suspect: list[bool], engagers: float) -> list[str]:
    if engagers < 1:
        return ["Nobody has engaged within 90 days."]
    found = list(compress(WEAK, weak))
    if pace * PACE_NOTABLE <= 1.0:
        found.append(f"Fading: this week brings {pace:.0%} of the people of a usual one.")
    found += compress(DISCOUNTED.values(), suspect)
    if engagers < FEW:
        found.append("So few people engage that the score is little more than a guess.")
    return found


def best_changes(features: Features, others: NDArray[np.float64]) -> list[tuple[str, float] | None]:
    """
    Return the one change that would help each account most, and the points that it would bring; None where none would.

    Args:
        features: n rows.
        others: float64[n], raw influence of the other accounts of the same person.
    """
    own = levels(features)
    before = _score(own, others)
    gains = np.stack([_score(np.maximum(changed(features), own), others) - before for _, changed in CHANGES], axis=1)
    best = gains.argmax(axis=1).tolist()
    return [
        (CHANGES[change][0], gain) if gain >= LEAST_GAIN else None
        for change, gain in zip(best, gains.max(axis=1).tolist(), strict=True)
    ]


def _score(levels: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return reference().score(np.log1p(np.expm1(levels @ FACTOR_WEIGHTS) + others))


def _pace(features: Features) -> NDArray[np.float64]:
    """Return how many times the people of a usual week this one brings; 1 where there are too few to tell."""
    usual = features.reach[:, 2] * WEEK_OF_QUARTER
    return np.where(usual >= 1.0, features.reach[:, 1] / np.maximum(usual, 1.0), 1.0)


def _usual(factor: int) -> Callable[[Features], NDArray[np.float64]]:
    """Return a change that brings one factor to what is usual at the account's score."""

    def changed(features: Features) -> NDArray[np.float64]:
        own = levels(features)
        share = (reference().score(own @ FACTOR_WEIGHTS) - 1.0) / 99.0
        raised = own.copy()
        raised[:, factor] = np.maximum(raised[:, factor], reference().factors[factor].level(share))
        return raised

    return changed


def _steady(features: Features) -> NDArray[np.float64]:
    """Return the levels of an account whose day and week are as its 90 days are."""
    pace = np.array([1.0, 7.0, 90.0]) / 90.0
    columns = {
        name: np.maximum(getattr(features, name), getattr(features, name)[:, -1:] * pace)
        for name in ("reach", "worth", "impact")
    }
    return levels(replace(features, **columns))


def _quieter(features: Features) -> NDArray[np.float64]:
    """Return the levels of an account that posts no more than everyone may."""
    return levels(replace(features, posts=np.minimum(features.posts, FLOOD_POSTS)))


def _further(features: Features) -> NDArray[np.float64]:
    """Return the levels of an account with a tenth more people, and one more at least, of the kind that it has."""
    more = np.maximum(0.1 * features.reach, 0.5)
    grown = 1.0 + more / np.maximum(features.reach, 1.0)
    return levels(replace(features, reach=features.reach + more, worth=features.worth * grown + more))


CHANGES: Final[tuple[Change, ...]] = (
    ("Win people who have not engaged yet: a tenth more would do.", _further),
    ("Reach more different people; those who engage do so often enough.", _usual(0)),
    ("Post what people pass on, rather than more: each post earns less than is usual at this score.", _usual(1)),
    ("Talk with people who are listened to: those who engage have less influence than is usual here.", _usual(2)),
    ("Come back: this day and week bring less than the last 90 days did on average.", _steady),
    ("Post less: beyond a hundred posts a day, engagement counts for less and less.", _quieter),
)
