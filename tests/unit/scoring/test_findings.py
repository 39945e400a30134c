"""Findings say what is strong, what is weak and what would help, and mean it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring import findings, model
from pipeline.scoring.authenticity import SIGNALS, suspicions
from pipeline.scoring.features import Features, empty
from tests.support.scoring import engaged
from tests.validity.reference import simulate


def said(features: Features) -> tuple[list[str], list[str]]:
    """Return the strengths and weaknesses of one row."""
    return findings.sentences(features, model.score(features).score, suspicions(features))[0]


def advised(features: Features, others: float = 0.0) -> tuple[str, float]:
    """Return the one change that would help one row most."""
    (advice,) = findings.best_changes(features, np.array([others]))
    assert advice is not None
    return advice


def steady(people: float, **columns: float) -> Features:
    """Return a row that as many people engage with on every day of 90."""
    pace = np.array([[1.0, 7.0, 90.0]]) / 90.0
    base = engaged(people, **columns)
    return replace(base, reach=base.reach * pace, worth=base.worth * pace, impact=base.impact * pace)


def test_whom_nobody_engages_with_is_told_so() -> None:
    """One weakness, no strength, and the advice to win people."""
    assert said(empty(1)) == ([], ["Nobody has engaged within 90 days."])
    assert advised(empty(1))[0].startswith("Win people")


def test_few_people_are_little_evidence() -> None:
    """Whatever the score."""
    assert "little more than a guess" in said(engaged(3))[1][-1]


@pytest.mark.parametrize(
    ("strong", "weak", "place"),
    [
        (engaged(200, influence=20), engaged(200, influence=0.05), 2),
        (engaged(5_000), engaged(5_000, posts=5_000), 1),
    ],
    ids=["network impact", "amplification"],
)
def test_each_factor_is_told_of_where_it_stands_out(strong: Features, weak: Features, place: int) -> None:
    """Against what is usual at the account's own score."""
    assert findings.STRONG[place] in said(strong)[0]
    assert findings.WEAK[place] in said(weak)[1]


def test_a_rise_and_a_fall_are_told_with_their_size() -> None:
    """By the people of this week against those of a usual one."""
    usual = steady(90)
    rising, fading = (replace(usual, reach=usual.reach * np.array([1.0, week, 1.0])) for week in (2.0, 0.5))
    assert "Rising: this week brings 2.0 times the people of a usual one." in said(rising)[0]
    assert "Fading: this week brings 50% of the people of a usual one." in said(fading)[1]
    assert not any("this week" in text for each in said(usual) for text in each)


@pytest.mark.parametrize("signal", range(3))
def test_a_discount_is_a_weakness_with_the_name_of_its_signal(signal: int) -> None:
    """And nobody is praised for people's own choice then."""
    lost = np.zeros((1, 3))
    lost[0, signal] = 80.0
    strong, weak = said(replace(engaged(100), discounted=lost))
    assert [text for text in weak if text.lower().startswith(SIGNALS[signal])]
    assert not [text for text in strong if "own choice" in text]


def test_who_posts_all_day_is_advised_to_post_less() -> None:
    """And would gain by it."""
    posts = np.array([[800.0, 5_000.0, 50_000.0]])
    text, gain = advised(replace(steady(300), posts=posts))
    assert text.startswith("Post less")
    assert gain > 10


def test_who_has_gone_quiet_is_advised_to_come_back() -> None:
    """Ninety days of engagement, and none this week."""
    quiet = steady(500)
    silence = {name: getattr(quiet, name) * np.array([0.0, 0.0, 1.0]) for name in ("reach", "worth", "impact")}
    assert advised(replace(quiet, **silence))[0].startswith("Come back")


def test_unheard_readers_are_a_reason_to_talk_with_others() -> None:
    """When nothing else is amiss."""
    assert advised(steady(2_000, influence=0.02))[0].startswith("Talk with people")


@given(st.integers(0, 999), st.floats(0, 1e6))
def test_a_change_never_costs_points(row: int, others: float) -> None:
    """Of an account by itself, or of one among several of a person."""
    features = PEOPLE.pick(np.array([row]))
    alone = advised(features)[1]
    (together,) = findings.best_changes(features, np.array([1e3 + others]))
    assert alone > 0
    assert together is None or together[1] > 0


PEOPLE = simulate(1_000, seed=5)


def test_most_people_hear_something_and_nobody_everything() -> None:
    """Of a simulated population: two thirds hear of nothing in particular about each factor."""
    told = findings.sentences(PEOPLE, model.score(PEOPLE).score, suspicions(PEOPLE))
    for text in (*findings.STRONG, *findings.WEAK):
        share = np.mean([text in strengths + weaknesses for strengths, weaknesses in told])
        assert 0.02 < share < 0.4, text
