"""Whatever the features are, there is a score, and no engagement lowers it."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.scoring import credit, explain, model
from pipeline.scoring.factors import FACTORS, levels
from pipeline.scoring.features import SCALES, Features, empty

ROWS = 3

absurd = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, -1.0, 1e308, -1e308]))
plausible = st.floats(0, 1e9)
absurd_counts = st.integers(-(2**62), 2**62)


def column(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    """Return a strategy for a column of floats."""
    return hnp.arrays(np.float64, shape, elements=elements)


def features(elements: st.SearchStrategy[float]) -> st.SearchStrategy[Features]:
    """Return a strategy for features made of such numbers."""
    faded = {name: column((ROWS, SCALES), elements) for name in ("posts", "worth", "reach", "impact")}
    sums = {name: column((ROWS,), elements) for name in ("engagers", "top")}
    discounted = column((ROWS, len(credit.SIGNALS)), elements)
    followers = hnp.arrays(np.int64, ROWS, elements=absurd_counts)
    counts = hnp.arrays(np.int64, (ROWS, 4, 4), elements=st.integers(0, 2**40))
    rest = {"discounted": discounted, "followers": followers, "counts": counts}
    return st.builds(lambda **columns: replace(empty(ROWS), **columns), **faded, **sums, **rest)


@given(features(absurd))
def test_any_features_have_a_score_within_its_bounds(features: Features) -> None:
    """G6: within [1, 100] and never NaN, whatever comes in: also infinities, negatives and what is not a number."""
    with np.errstate(all="raise", under="ignore"):
        scores = model.score(features)
    within = {"score": (1, 100), "factors": (0, 100), "raw": (0, np.inf), "percentile": (0, 100)}
    within |= {"confidence": (0, 1), "bucket": (0, len(model.BUCKETS) - 1), "authenticity": (0, 100)}
    assert set(within) == {field.name for field in fields(scores)}
    for name, (least, most) in within.items():
        values = getattr(scores, name)
        assert ((values >= least) & (values <= most)).all(), name


@given(features(plausible), st.sampled_from(["worth", "reach", "impact"]), column((ROWS, SCALES), plausible))
def test_no_engagement_lowers_a_score(features: Features, name: str, more: Any) -> None:
    """G6: whoever engages, and on whatever scale it is seen."""
    further = replace(features, **{name: getattr(features, name) + more})
    assert (levels(further) >= levels(features) - 1e-12).all()
    assert (model.score(further).score >= model.score(features).score - 1e-12).all()


@given(features(plausible))
def test_contributions_add_up_to_the_score(features: Features) -> None:
    """The points of the three factors are the score, and none is negative."""
    points = explain.factor_points(levels(features), np.arange(ROWS), ROWS)
    assert points.shape == (ROWS, len(FACTORS))
    np.testing.assert_allclose(points.sum(axis=1), model.score(features).score, rtol=1e-12)
    assert (points >= 0).all()


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2, unique=True))
def test_the_scale_has_no_plateau(level: list[float]) -> None:
    """Different levels of influence have different scores, as far as floats can tell them apart: ranks survive."""
    low, high = sorted(level)
    if high > low * (1 + 1e-9) and high <= 100:
        below, above = model.reference().score(np.array([low, high]))
        assert below < above or high < 1e-7


@given(features(plausible))
def test_rows_do_not_touch_each_other(features: Features) -> None:
    """A row has the same score alone as among others."""
    together = model.score(features).score
    for row in range(ROWS):
        alone = replace(
            features,
            **{
                field.name: getattr(features, field.name)[row : row + 1]
                for field in fields(features)
                if field.name != "networks"
            },
        )
        np.testing.assert_allclose(model.score(alone).score, together[row : row + 1], rtol=1e-12)
