"""
Klout's classes of users, of version 1.

Klout had sixteen. Only of these four the number is known; each user is in the one that fits best.
"""

from dataclasses import dataclass
from typing import Final

from schemas import ScoreDocument


@dataclass(frozen=True, slots=True)
class KloutClass:
    """A style of taking part."""

    id: int
    name: str
    description: str


OBSERVER: Final = KloutClass(1, "Observer", "Takes part quietly: few react so far.")
EXPLORER: Final = KloutClass(4, "Explorer", "Is finding an audience: people begin to react.")
SOCIALIZER: Final = KloutClass(10, "Socializer", "Is in touch with many people, who take part in the conversation.")
SPECIALIST: Final = KloutClass(11, "Specialist", "Is heard by people who are heard themselves.")


def kclass(document: ScoreDocument) -> KloutClass:
    """Return the class of a user: by the score, then by what is greater, reach or impact."""
    if document.score < 10:
        return OBSERVER
    if document.score < 30:
        return EXPLORER
    factors = document.factors
    return SPECIALIST if factors.network_impact >= factors.true_reach else SOCIALIZER
