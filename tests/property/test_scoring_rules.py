"""Klout's published rules (klout.com/corp/score, 2013, and its blog), over ranges."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.scoring import model, weights
from pipeline.scoring.accumulation import accumulate
from pipeline.scoring.credit import CREDIT_ONE, NTH_LAST
from pipeline.scoring.factors import FACTORS
from pipeline.scoring.features import Features
from tests.support.scoring import aged, engaged, faded

people = st.integers(1, 1_000_000)
crowds = st.integers(10, 1_000_000)
kinds = st.integers(0, 3)
networks = st.integers(0, len(weights.NETWORKS) - 1)
scores = st.integers(0, 200)


def points(features: Features) -> float:
    """Return the score of a single row."""
    return float(model.score(features).score[0])


def worth(network: int, kind: int, nth: Any) -> Any:
    """Return what a strange, established actor's engagements are worth."""
    n = len(nth)
    return weights.worth(np.full(n, network), np.full(n, kind), nth, np.full(n, 400), np.zeros(n, np.bool_))


@given(crowds, st.integers(0, 1_000), st.integers(2, 1_000))
def test_the_same_engagement_from_fewer_posts_counts_more(crowd: int, posts: int, times: int) -> None:
    """Rule 1, ratio: 100 shares from 10 posts beat 100 shares from 1,000 posts."""
    assert points(engaged(crowd, posts=posts)) > points(engaged(crowd, posts=(posts + 1) * times))


def test_a_hundred_shares_from_ten_posts_clearly_beat_a_hundred_from_a_thousand() -> None:
    """Klout's own example of rule 1 is worth more than a point."""
    assert points(engaged(100, 2.0, posts=10)) > points(engaged(100, 2.0, posts=1_000)) + 1


@given(networks, kinds, st.integers(0, NTH_LAST), st.integers(0, NTH_LAST))
def test_the_more_an_actor_does_in_a_day_the_less_each_action_counts(
    network: int, kind: int, nth: int, later: int
) -> None:
    """Rule 2, selectivity: never more for a later action, less than half for one twenty and more later."""
    assume(nth < later)
    early, late = worth(network, kind, np.array([nth, later])).tolist()
    assert late <= early
    if early and later >= 4 * (nth + 10):
        assert late < 0.7 * early


@given(networks, kinds, st.integers(100, 100_000))
def test_a_second_hundred_actions_a_day_add_less_than_the_first(network: int, kind: int, actions: int) -> None:
    """Rule 2, over a whole day: what an actor gives away in it grows ever more slowly."""
    day = worth(network, kind, np.arange(2 * actions))
    assert day[actions:].sum() < day[:actions].sum()


@given(st.integers(2, 10_000), st.floats(0.1, 3.0))
def test_the_same_engagement_from_more_people_counts_more(crowd: int, each: float) -> None:
    """Rule 3, unique engagers: 100 shares from 100 people beat 100 from one."""
    assert points(engaged(crowd, each)) > points(engaged(1, crowd * each))


@given(st.floats(0.0, 1e6), st.floats(1e-3, 1e6))
def test_a_further_network_adds(here: float, there: float) -> None:
    """Rule 4, accumulation, never an average."""
    known = np.repeat(np.log1p([here, here, there])[:, None], len(FACTORS), axis=1)
    alone, both = accumulate(known, np.array([0, 1, 1]), 2).score
    assert both > alone


@given(st.integers(1, 100_000))
def test_nothing_drops_off_a_cliff(crowd: int) -> None:
    """Rule 5: after any burst, hour after hour for 91 days, the score falls by at most 2.5 points an hour."""
    score = model.score(aged(crowd, np.arange(0, 91 * 86_400, 3_600))).score
    assert (-np.diff(score)).max() < 2.5


@given(networks, kinds, scores, scores, people)
def test_an_action_by_a_more_influential_actor_counts_more(
    network: int, kind: int, score: int, higher: int, crowd: int
) -> None:
    """Rule 6: through influence, and through standing."""
    assume(score + 20 <= higher)
    pair = np.array([score, higher])
    done = worth(network, kind, np.zeros(2, np.int64))
    reached = weights.quality(done, pair, np.full(2, 30), np.full(2, CREDIT_ONE)) / weights.ACTOR_ONE
    moved = reached * weights.influence(pair) / weights.ACTOR_ONE
    base = engaged(crowd)
    plain, famous = (
        points(replace(base, reach=base.reach + faded(r), impact=base.impact + faded(i)))
        for r, i in zip(reached, moved, strict=True)
    )
    assert famous > plain


@given(st.integers(5, 1_000_000), st.integers(0, 10**12))
def test_engagement_beats_audience(crowd: int, followers: int) -> None:
    """Rule 7: five people who engage outweigh any number of followers who don't."""
    assert points(engaged(crowd)) > points(engaged(0, followers=followers))


@given(st.integers(0, 2**62))
def test_followers_without_engagement_are_worth_next_to_nothing(followers: int) -> None:
    """Rule 7: less than a tenth of a point, however many."""
    assert points(engaged(0, followers=followers)) < 1.1


@given(people, st.integers(0, 10**9), st.integers(1, 10**9))
def test_followers_help_a_little(crowd: int, followers: int, more: int) -> None:
    """Rule 7: never less with more of them, and never as much as four times the engagement."""
    few, many = engaged(crowd, followers=followers), engaged(crowd, followers=followers + more)
    assert points(few) <= points(many) < points(engaged(4 * crowd, followers=followers))


@given(people, st.integers(0, 89 * 86_400), st.integers(3_600, 86_400))
def test_recent_beats_old(crowd: int, age: int, later: int) -> None:
    """Rule 8."""
    recent, old = model.score(aged(crowd, [age, age + later])).score
    assert recent > old


@given(st.integers(3, 100_000), st.integers(2, 10))
def test_the_higher_the_harder(crowd: int, times: int) -> None:
    """Rule 9: the same number of further people moves a high score less than a low one."""
    few, more, much, most = (points(engaged(n)) for n in (crowd, 2 * crowd, times * crowd, (times + 1) * crowd))
    assert most - much <= more - few
