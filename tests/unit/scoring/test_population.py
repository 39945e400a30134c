"""The reference population, and the scale fitted to it."""

from time import process_time

import numpy as np
import pytest

from pipeline.scoring import model
from pipeline.scoring.population import Curve, fit
from tests.validity.reference import USERS, reference, simulate


def test_a_million_users_with_heavy_tails_have_the_distribution_promised() -> None:
    """An average near 20, the median below it, fewer than one in 100,000 above 90; other draws than the fit's."""
    score = model.score(simulate(seed=7)).score
    assert 19 < score.mean() < 21
    assert np.median(score) < score.mean()
    assert (score > 90).mean() < 1e-5
    assert score.max() > 80


@pytest.mark.parametrize("exponent", [2.0, 2.5])
def test_other_tails_keep_ninety_rare(exponent: float) -> None:
    """Somewhat heavier and lighter ones."""
    score = model.score(simulate(seed=8, exponent=exponent)).score
    assert 17 < score.mean() < 24
    assert np.median(score) < score.mean()
    assert (score > 90).mean() < 1e-5


def test_the_data_file_is_what_the_fit_gives() -> None:
    """Stale otherwise: `python -m tests.validity.reference` writes it."""
    assert reference() == model.reference()


def test_percentiles_are_shares_of_the_population() -> None:
    """Half of a fresh draw lies below the fiftieth percentile."""
    percentile = model.score(simulate(users=50_000, seed=9)).percentile
    np.testing.assert_allclose(np.quantile(percentile, [0.1, 0.5, 0.99]), [10, 50, 99], atol=1)


def test_a_million_rows_are_scored_in_two_seconds() -> None:
    """On one core."""
    features = simulate(USERS)
    began = process_time()
    model.score(features)
    assert process_time() - began < 2


def test_a_curve_rises_strictly_towards_one() -> None:
    """Also far beyond any level there is."""
    share = Curve(unit=3.0, bend=1.0).share(np.linspace(0, 30, 10_000))
    assert share[0] == 0.0
    assert (np.diff(share) > 0).all()
    assert share[-1] < 1.0


def test_a_fit_meets_its_aims_on_another_population() -> None:
    """`clout calibrate` fits the scale to whatever population it is given."""
    random = np.random.default_rng(1)
    level = random.exponential(1.0, 200_000)
    fitted = fit("other", "a test", level, np.stack([level] * 3, axis=1))
    score = fitted.score(level)
    assert score.mean() == pytest.approx(20, abs=0.1)
    # Of 200,000 there are two: the tail beyond the first ten is continued.
    assert np.quantile(score, 1 - 1e-5) == pytest.approx(86, abs=1)
    assert fitted.percentile(np.array([np.median(level)]))[0] == pytest.approx(50, abs=0.1)
    assert (np.diff(fitted.levels) > 0).all()


def test_many_rows_are_scored_as_each_alone() -> None:
    """However they are cut for the processor's cache."""
    features = simulate(2 * model.CHUNK + 5, seed=3)
    found, last = model.score(features), np.arange(model.CHUNK - 3, model.CHUNK + 3)
    alone = model.score(features.pick(last))
    for name in ("score", "factors", "raw", "percentile", "confidence", "bucket", "authenticity"):
        np.testing.assert_allclose(getattr(found, name)[last], getattr(alone, name), rtol=1e-12)
        assert len(getattr(found, name)) == len(features)
