"""Explanations add up, and are exact."""

from collections.abc import Callable
from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring import explain, model
from pipeline.scoring.accumulation import accumulate, raw_influence
from pipeline.scoring.factors import levels
from pipeline.scoring.model import reference
from tests.support.scoring import engaged

some_levels = st.lists(st.tuples(*[st.floats(0, 12)] * 3), min_size=1, max_size=5)


def by_brute_force(players: int, value: Callable[[list[int]], float]) -> list[float]:
    """Return each player's mean gain over all orders of joining; nobody at all gets nothing."""
    gained = [0.0] * players
    for order in permutations(range(players)):
        before = 0.0
        for place, player in enumerate(order):
            after = value(sorted(order[: place + 1]))
            gained[player] += (after - before) / factorial(players)
            before = after
    return gained


@given(some_levels)
def test_factors_gain_what_they_do_over_all_orders_of_joining(accounts: list[tuple[float, float, float]]) -> None:
    """Three factors join in six orders, for all accounts of a person at once; they add up to the person's score."""
    known = np.array(accounts)
    person = np.zeros(len(known), np.int64)

    def value(factors: list[int]) -> float:
        mask = np.isin(np.arange(3), factors)
        return float(reference().score(np.log1p(raw_influence(known * mask).sum(keepdims=True)))[0])

    points = explain.factor_points(known, person, 1)[0]
    np.testing.assert_allclose(points, by_brute_force(3, value), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(points.sum(), accumulate(known, person, 1).score[0], rtol=1e-12)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_networks_gain_what_they_do_over_all_orders_of_joining(raw: list[float]) -> None:
    """Up to six networks join in up to 720 orders."""
    known = np.array(raw)

    def value(networks: list[int]) -> float:
        return float(reference().score(np.log1p(known[networks].sum(keepdims=True)))[0])

    points = explain.network_points(known)
    np.testing.assert_allclose(points, by_brute_force(len(raw), value), rtol=1e-9, atol=1e-12)


def test_many_persons_are_explained_as_one_is() -> None:
    """In one go: what a row's neighbours are makes no difference."""
    rows = levels(engaged(250, 1.7, posts=12, influence=3)), levels(engaged(3))
    together = explain.factor_points(np.concatenate(rows), np.arange(2), 2)
    for row, points in zip(rows, together, strict=True):
        np.testing.assert_allclose(explain.factor_points(row, np.zeros(1, np.int64), 1)[0], points, rtol=1e-12)


def test_a_score_of_one_is_shared_evenly() -> None:
    """Nobody did anything; the one point that everyone has belongs to no factor more than another."""
    points = explain.factor_points(levels(engaged(0)), np.zeros(1, np.int64), 1)
    np.testing.assert_allclose(points[0], [1 / 3] * 3)


def test_equal_networks_get_equal_points() -> None:
    """One that does nothing only its part of the one point."""
    points = explain.network_points(np.array([5.0, 5.0, 0.0]))
    assert points[0] == pytest.approx(points[1])
    assert points[2] == pytest.approx(1 / 3)


def test_more_networks_than_can_be_enumerated_add_up_too() -> None:
    """The least of them play as one, and share alike."""
    raw = np.arange(40.0)
    points = explain.network_points(raw)
    np.testing.assert_allclose(points.sum(), reference().score(np.log1p(raw.sum(keepdims=True)))[0])
    assert (np.diff(points) >= 0).all()
    assert points[-1] > points[-2] > points[0] == points[1]


def test_exact_values_have_their_price() -> None:
    """More players than can be enumerated are refused."""
    with pytest.raises(ValueError, match="13 players"):
        explain.shapley(13, lambda _mask: np.ones(1))


def test_an_account_alone_is_explained_by_its_own_score() -> None:
    """The factors of a person with one account add up to what the model says of the account."""
    features = engaged(123, posts=7)
    points = explain.factor_points(levels(features), np.zeros(1, np.int64), 1)
    np.testing.assert_allclose(points.sum(), model.score(features).score[0], rtol=1e-12)
