"""Explanations add up, and are exact."""

from itertools import permutations

import numpy as np
import pytest

from pipeline.scoring import explain, model
from pipeline.scoring.factors import FACTOR_WEIGHTS, levels
from pipeline.scoring.model import REFERENCE
from tests.support.scoring import engaged


def test_contributions_are_the_mean_gain_over_all_orders_of_joining() -> None:
    """Checked by brute force: three factors join in six orders."""
    features = engaged(250, 1.7, posts=12, influence=3)
    weighted = (levels(features) * FACTOR_WEIGHTS)[0]
    expected = np.zeros(3)
    for order in permutations(range(3)):
        before, level = 0.0, 0.0
        for factor in order:
            level += weighted[factor]
            after = float(REFERENCE.score(np.array([level]))[0])
            expected[factor] += (after - before) / 6
            before = after
    np.testing.assert_allclose(explain.contributions(features)[0], expected, rtol=1e-12)


def test_a_score_of_one_is_shared_evenly() -> None:
    """Nobody did anything; the one point that everyone has belongs to no factor more than another."""
    np.testing.assert_allclose(explain.contributions(engaged(0))[0], [1 / 3] * 3)


def test_account_contributions_add_up_to_the_persons_score() -> None:
    """Equal accounts get equal points; an account that does nothing only its part of the one point."""
    raw = np.array([[5.0, 5.0, 0.0]])
    points = explain.account_contributions(raw)
    np.testing.assert_allclose(points.sum(axis=1), model.combine(raw)[0])
    assert points[0, 0] == pytest.approx(points[0, 1])
    assert points[0, 2] == pytest.approx(1 / 3)


def test_exact_values_have_their_price() -> None:
    """More players than can be enumerated are refused."""
    with pytest.raises(ValueError, match="13 players"):
        explain.account_contributions(np.ones((1, explain.MOST_PLAYERS + 1)))
