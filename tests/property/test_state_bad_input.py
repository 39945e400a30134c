"""Bad input has a score, too: a defined one, which pipeline/scoring/README.md names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scoring import model
from pipeline.state.details import details_documents
from pipeline.state.partition import Partition
from pipeline.state.view import features
from schemas import KINDS, Profile, ScoreDocument
from tests.unit.state.log import DAY, NOW, document, engagement, folded, post, profile

FEW = settings(deadline=None, max_examples=25)
"""Each example folds two logs."""

people = st.integers(1, 150)
kinds = st.sampled_from(KINDS)
counts = st.one_of(st.none(), st.sampled_from([-(2**40), -1, 0, 1, 10**6, 2**62, 2**63 - 1]))


def checked(part: Partition) -> ScoreDocument:
    """Return the target's document, once it and the details are numbers within their bounds."""
    rows = np.arange(len(part))
    seen = features(part, rows)
    with np.errstate(all="raise", under="ignore"):
        scores = model.score(seen)
        told = details_documents(part, rows, seen, 0)
    assert np.isfinite(scores.score).all()
    assert all(np.isfinite([point.points for point in each.contributions]).all() for each in told)
    made = document(part)
    assert 1.0 <= made.score <= 100.0
    assert 0.0 <= made.percentile <= 100.0
    assert 0.0 <= made.confidence <= 1.0
    assert 0 <= made.authenticity <= 100
    return made


@FEW
@given(people, kinds, counts, counts, counts)
def test_a_score_without_posts_and_with_absurd_profiles(
    n: int, kind: str, followers: int | None, following: int | None, posts: int | None
) -> None:
    """Followers move the score of whom nobody engages with by a ten-thousandth, of others by a little."""
    said = Profile("bluesky:target", "bluesky", NOW, followers=followers, following=following, posts=posts)
    events = [engagement(f"bluesky:a{i}", kind=kind, time=NOW - i * DAY // 10) for i in range(n)]
    plain, odd = checked(folded(*events)), checked(folded(*events, said))
    assert plain.score <= odd.score < plain.score + 12
    assert checked(folded(said)).score == 1.0


@FEW
@given(people, kinds)
def test_all_in_one_millisecond_counts_like_all_in_one_minute(n: int, kind: str) -> None:
    """An organic burst is no fraud; there is no rate to divide by."""
    at_once = [engagement(f"bluesky:a{i}", kind=kind) for i in range(n)]
    spread = [engagement(f"bluesky:a{i}", kind=kind, time=NOW - i % 60_000) for i in range(n)]
    burst = checked(folded(*at_once))
    assert burst.score == pytest.approx(checked(folded(*spread)).score, abs=1)
    assert burst.authenticity == 100


@FEW
@given(st.integers(1, 200), kinds)
def test_who_engages_with_nobody_but_themselves_scores_one(n: int, kind: str) -> None:
    """However often."""
    own = [engagement("bluesky:target", kind=kind, time=NOW - i) for i in range(n)]
    made = checked(folded(*own, post()))
    assert (made.score, made.engagers, made.percentile, made.authenticity) == (1.0, 0, 0.0, 100)


@FEW
@given(st.integers(0, 5), st.integers(1, 3_000))
def test_more_posts_than_anybody_reads(n: int, posts: int) -> None:
    """Thousands of posts within a second, and hardly anyone who engages: a low score, and no exception."""
    events = [engagement(f"bluesky:a{i}") for i in range(n)]
    assert checked(folded(*events, *[post(time=NOW - i % 1_000) for i in range(posts)])).score <= 20


@FEW
@given(st.lists(st.sampled_from(["like", "unlike"]), min_size=1, max_size=40))
def test_more_is_withdrawn_than_was_ever_done(what: list[str]) -> None:
    """Undone engagement that nobody ever saw takes nothing from what is left."""
    events = [
        engagement(f"bluesky:a{i % 7}", id=f"e{i}", undo=each == "unlike", actor_nth=0) for i, each in enumerate(what)
    ]
    made = checked(folded(*events))
    assert min(made.engagement.quarter.likes, made.engagers) >= 0
    if "like" not in what:
        assert made.score == 1.0


def test_a_profile_alone_is_an_account_without_a_score() -> None:
    """The least there is."""
    assert checked(folded(profile(followers=10**12))).score == 1.0
