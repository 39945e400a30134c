"""The score: its bounds, its scale, and what it carries."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.scoring import model, weights
from pipeline.scoring.credit import CREDIT_ONE
from pipeline.scoring.features import empty
from pipeline.scoring.model import BUCKETS, DEFAULT, reference
from tests.support.scoring import engaged


def test_whom_nobody_engages_with_has_the_least_score() -> None:
    """Score 1, every factor 0, no confidence, and nothing to suspect."""
    scores = model.score(empty(1))
    assert scores.score.tolist() == [1.0]
    assert scores.factors.tolist() == [[0.0, 0.0, 0.0]]
    assert scores.raw.tolist() == scores.confidence.tolist() == scores.percentile.tolist() == [0.0]
    assert scores.authenticity.tolist() == [100]


def test_no_rows_have_no_scores() -> None:
    """An empty batch is no special case."""
    assert model.score(empty(0)).score.shape == (0,)


@pytest.mark.parametrize(("people", "least", "most"), [(1, 2, 6), (10, 15, 30), (1_000, 70, 80), (1_000_000, 90, 95)])
def test_the_scale_is_what_the_readme_says(people: int, least: float, most: float) -> None:
    """By people who engage today: one is a few points, a million are above 90."""
    assert least < model.score(engaged(people)).score[0] < most


def test_one_fan_is_worth_a_few_points_whatever_they_do() -> None:
    """Ten thousand likes by an established fan in a day: less than 4 points."""
    likes = np.arange(10_000)
    zeros = np.zeros_like(likes)
    worth = weights.worth(zeros + 1, zeros, likes, zeros + 365, zeros > 0).sum(keepdims=True)
    quality = weights.quality(worth, np.array([40]), np.array([365]), np.array([CREDIT_ONE]))
    person = float(quality[0]) / weights.ACTOR_ONE
    assert 10 < worth[0] / weights.WORTH_ONE < 30
    assert model.score(engaged(person, worth[0] / weights.WORTH_ONE / person)).score[0] < 5


def test_buckets_are_klouts() -> None:
    """1-9, then tens, and the last holds 100, too."""
    named = [BUCKETS[i] for i in model.bucket(np.array([1.0, 9.99, 10.0, 89.9, 90.0, 100.0]))]
    assert named == ["1-9", "1-9", "10-19", "80-89", "90-100", "90-100"]


def test_confidence_is_one_less_the_error_of_a_count() -> None:
    """Half at three engagers, nine tenths at 99."""
    np.testing.assert_allclose(model.confidence(np.array([0.0, 3.0, 99.0])), [0.0, 0.5, 0.9])


def test_percentiles_rise_with_scores() -> None:
    """From the population's least to its greatest."""
    levels = np.linspace(0, 20, 1_000)
    percentile = reference().percentile(levels)
    assert (np.diff(percentile) >= 0).all()
    assert percentile[0] == 0.0
    assert percentile[-1] == 100.0


def test_the_model_names_its_reference() -> None:
    """The version stamped on scores is that of the data file."""
    assert reference().model == DEFAULT


def test_the_three_factors_move_apart() -> None:
    """More posts lower amplification alone; more influential actors raise network impact alone."""
    base = model.score(engaged(100)).factors[0]
    posts = model.score(engaged(100, posts=100)).factors[0]
    famous = model.score(engaged(100, influence=10)).factors[0]
    assert (base - posts > 1).tolist() == [False, True, False]
    assert (famous - base > 1).tolist() == [False, False, True]


def test_self_engagement_alone_is_nothing() -> None:
    """Counts without any actor (the fold lets nobody engage with themselves) leave the score at 1."""
    alone = replace(empty(1), counts=np.full((1, 4, 4), 1_000))
    assert model.score(alone).score.tolist() == [1.0]
