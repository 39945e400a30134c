"""Authenticity speaks of what is suspicious, and leaves the honest alone."""

from dataclasses import replace

import numpy as np

from pipeline.scoring import model
from pipeline.scoring.authenticity import SIGNALS, authenticity, suspicions
from pipeline.scoring.features import Features, empty


def row(
    engagers: float, *, events: int | None = None, mutual: float = 0, fresh: float = 0, busy: float = 0, top: float = 1
) -> Features:
    """Return one row with so many engagers, and so many of them of each sort."""
    counts = np.zeros((1, 4, 4), np.int64)
    counts[0, 3, 0] = engagers if events is None else events
    return replace(
        empty(1),
        counts=counts,
        engagers=np.array([float(engagers)]),
        mutual=np.array([float(mutual)]),
        fresh=np.array([float(fresh)]),
        busy=np.array([float(busy)]),
        top=np.array([float(top)]),
    )


def test_an_honest_audience_is_authentic() -> None:
    """A hundred people, a few of them heavy users, one a friend."""
    assert authenticity(row(100, events=180, mutual=20, fresh=5, busy=8, top=12)) == [100]


def test_a_mutual_fan_club_is_authentic() -> None:
    """Everyone engages with everyone, at a human pace."""
    assert authenticity(row(50, events=600, mutual=50, top=30))[0] >= 95


def test_a_newcomer_going_viral_among_new_accounts_is_authentic() -> None:
    """Newness alone is no suspicion."""
    assert authenticity(row(10_000, fresh=10_000)) == [100]


def test_mass_actors_are_suspicious() -> None:
    """A like farm that likes everyone; new accounts all the more."""
    old, new = authenticity(row(500, busy=450))[0], authenticity(row(500, busy=450, fresh=450))[0]
    assert new < old < 30


def test_one_actors_flood_is_suspicious() -> None:
    """Ten thousand likes by one fan; a friend's thirty among fifty are not."""
    assert authenticity(row(1, events=10_000, top=10_000))[0] < 5
    assert authenticity(row(8, events=50, top=30))[0] >= 90


def test_few_actors_are_little_evidence() -> None:
    """Three busy readers are no campaign."""
    assert authenticity(row(3, busy=3))[0] > 70


def test_a_discount_names_its_signal() -> None:
    """Each of them speaks for itself."""
    speaking = suspicions(row(500, busy=450))[0]
    assert SIGNALS[int(speaking.argmax())] == "mass actors"
    speaking = suspicions(row(1, events=10_000, top=10_000))[0]
    assert SIGNALS[int(speaking.argmax())] == "one actor"


def test_suspicion_never_lowers_a_score() -> None:
    """G6: a rival who buys bots for someone must not lower them."""
    honest = replace(row(100), reach=np.full((1, 3), 80.0))
    suspected = replace(row(100, busy=100, fresh=100, events=9_000, top=8_000), reach=honest.reach)
    assert model.score(suspected).score == model.score(honest).score
