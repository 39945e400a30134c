"""
Whether the engagement of a burst looks like people's, by the day, the age and the repetition of its actors.

A burst itself raises no suspicion, and new actors alone do not: in Twitter's Higgs days the organic announcement was 38
times the median hour, and whoever goes viral is found by newcomers. Bought engagement comes from accounts that do many
things a day, from accounts made for it, or from a few that repeat themselves.
"""

from dataclasses import dataclass
from typing import Final

LEAST: Final = 5
"""Engagements below which shares say nothing."""

MASS: Final = 0.35
"""Share by actors who did more than 100 things that day; heavy users make up 0.15 of ordinary engagement."""

FRESH: Final = 0.5
"""Share by actors who were first seen within the week, where they also .."""
FRESH_MASS: Final = 0.25
""".. are this busy: new and busy at once is the mark of accounts made for it."""

REPEATED: Final = 0.3
"""Distinct actors among engagements: a friend likes three posts in a row, not thirty."""


@dataclass(frozen=True, slots=True)
class BurstActors:
    """Who stands behind a burst, in engagements."""

    engagements: int
    busy: int
    """By actors who had acted more than 100 times that day."""
    fresh: int
    """By actors who were first seen within the week before."""
    aged: int
    """By actors of whom it is known when they were first seen."""
    distinct: int
    """Actors."""


def suspicions(actors: BurstActors) -> list[str]:
    """Return the reasons why a burst looks bought, in words; none when it looks like people's."""
    n = actors.engagements
    if n < LEAST:
        return []
    reasons = []
    busy = actors.busy / n
    if busy >= MASS:
        reasons.append(f"{busy:.0%} of it came from actors who did more than 100 things that day")
    fresh = actors.fresh / max(actors.aged, 1)
    if fresh >= FRESH and busy >= FRESH_MASS and actors.aged >= n / 2:
        reasons.append(f"{fresh:.0%} of it came from actors first seen within a week, many of them busy all day")
    if actors.distinct <= REPEATED * n:
        reasons.append(f"only {actors.distinct} actors stand behind {n} engagements")
    return reasons
