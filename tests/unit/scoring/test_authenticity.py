"""Authenticity speaks of what is suspicious, and leaves the honest alone."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.scoring import model
from pipeline.scoring.authenticity import SIGNALS, authenticity, suspicions
from pipeline.scoring.features import Features, empty


def row(
    engagers: float,
    *,
    events: int | None = None,
    mass: float = 0,
    new_and_busy: float = 0,
    traded: float = 0,
    top: float = 1,
    lockstep: float = 0,
    posts: float = 0,
) -> Features:
    """Return one row with so many engagers, so many of which each signal takes out of the count."""
    counts = np.zeros((1, 4, 4), np.int64)
    counts[0, 3, 0] = engagers if events is None else events
    return replace(
        empty(1),
        counts=counts,
        reach=np.full((1, 3), engagers - mass - new_and_busy - traded),
        posts=np.full((1, 3), float(posts)),
        engagers=np.array([float(engagers)]),
        discounted=np.array([[float(mass), float(new_and_busy), float(traded)]]),
        top=np.array([float(top)]),
        lockstep=np.array([float(lockstep)]),
    )


def test_an_honest_audience_is_authentic() -> None:
    """A hundred people, some of them heavy users, one a friend."""
    assert authenticity(row(100, events=180, mass=12, top=12)) == [100]


def test_what_the_signals_take_out_is_what_authenticity_says() -> None:
    """Half of the engagers traded their engagement: half of it is left, as far as they are many."""
    assert authenticity(row(1_000, traded=500)) == [50]


def test_mass_actors_are_suspicious() -> None:
    """A like farm that likes everyone."""
    assert authenticity(row(500, mass=490))[0] < 5


def test_one_actors_flood_is_suspicious() -> None:
    """Ten thousand likes by one fan; a friend's thirty among fifty are not."""
    assert authenticity(row(1, events=10_000, top=10_000))[0] < 5
    assert authenticity(row(8, events=50, top=30))[0] >= 90


def test_few_actors_are_little_evidence() -> None:
    """Three busy readers are no campaign."""
    assert authenticity(row(3, mass=3))[0] > 70


def test_a_flood_of_posts_is_suspicious() -> None:
    """A post every minute for a week; a newsroom's two hundred a day are none."""
    assert authenticity(row(50, posts=10_000))[0] < 10
    assert authenticity(row(5_000, posts=1_400))[0] > 95


@pytest.mark.parametrize(
    ("suspect", "signal"),
    [
        (row(500, mass=450), "mass activity"),
        (row(500, new_and_busy=450), "new and busy"),
        (row(500, traded=450), "traded engagement"),
        (row(1, events=10_000, top=10_000), "one actor"),
        (row(50, posts=10_000), "flood of posts"),
        (row(500, lockstep=450), "lockstep"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_discount_names_its_signal(suspect: Features, signal: str) -> None:
    """Each of them speaks for itself."""
    assert SIGNALS[int(suspicions(suspect)[0].argmax())] == signal


def test_authenticity_never_lowers_a_score() -> None:
    """The discount is made where engagement is counted; what authenticity says of it changes nothing more."""
    honest = row(100)
    suspected = replace(honest, discounted=np.full((1, 3), 30.0), top=np.array([8_000.0]), lockstep=np.array([90.0]))
    assert authenticity(suspected)[0] < authenticity(honest)[0]
    assert model.score(suspected).score == model.score(honest).score
