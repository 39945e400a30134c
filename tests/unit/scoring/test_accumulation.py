"""Persons: raw influences are added, never averaged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring import model
from pipeline.scoring.accumulation import accumulate
from pipeline.scoring.factors import levels
from tests.support.scoring import engaged

some_levels = st.lists(st.tuples(*[st.floats(0, 27)] * 3), min_size=1, max_size=12)


def test_a_person_with_one_account_scores_like_the_account() -> None:
    """Nothing is lost or won by being a person."""
    features = engaged(123, posts=7)
    alone, person = model.score(features), accumulate(levels(features), np.zeros(1, np.int64), 1)
    for name in ("score", "factors", "raw", "percentile"):
        np.testing.assert_allclose(getattr(person, name), getattr(alone, name), rtol=1e-12)


@given(some_levels)
def test_a_further_account_never_takes_away(accounts: list[tuple[float, float, float]]) -> None:
    """Score, raw influence and each factor are at least those of the person without it, and within their bounds."""
    found = np.array(accounts)
    whole = accumulate(found, np.zeros(len(found), np.int64), 1)
    part = accumulate(found[:-1], np.zeros(len(found) - 1, np.int64), 1)
    # A power of a number that rose by its last bit may be less by its own.
    assert whole.score[0] >= part.score[0] - 1e-12
    assert whole.raw[0] >= part.raw[0]
    assert (whole.factors >= part.factors - 1e-12).all()
    assert 1.0 <= whole.score[0] <= 100.0
    assert (whole.factors <= 100.0).all()


@given(some_levels, st.integers(1, 5))
def test_a_person_s_score_does_not_depend_on_who_else_is_scored(
    accounts: list[tuple[float, float, float]], others: int
) -> None:
    """The same bits come out in any company: worker and oracle score in other batches."""
    found = np.array(accounts)
    alone = accumulate(found, np.zeros(len(found), np.int64), 1)
    crowd = np.concatenate([np.ones((others, 3)), found, np.ones((others, 3))])
    person = np.array([0] * others + [1] * len(found) + [2] * others)
    together = accumulate(crowd, person, 3)
    np.testing.assert_allclose(together.score[1], alone.score[0], rtol=1e-14)
    np.testing.assert_allclose(together.factors[1], alone.factors[0], rtol=1e-14)


def test_what_another_process_sent_is_not_trusted_blindly() -> None:
    """No numbers, negative and infinite levels give a score within its bounds."""
    bad = accumulate(np.array([[np.nan, -1.0, np.inf], [1e300, 0.0, 0.0]]), np.array([0, 0]), 1)
    assert 1.0 <= bad.score[0] <= 100.0
    assert np.isfinite(bad.factors).all()


def test_nobody_is_a_person_without_accounts() -> None:
    """Score 1, and nothing behind it."""
    assert accumulate(np.zeros((0, 3)), np.zeros(0, np.int64), 1).score.tolist() == [1.0]
