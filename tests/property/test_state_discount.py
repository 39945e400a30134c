"""G6 on whole logs: whatever engagement is added, by whomever, no score falls."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scoring import model
from pipeline.scoring.factors import levels
from pipeline.state.partition import SMALL_LIMIT
from schemas import KINDS, Engagement, Tick
from tests.unit.state.log import DAY, NOW, engagement, features_of, folded, post

stamps = st.fixed_dictionaries(
    {
        "actor": st.integers(0, 12).map("bluesky:a{}".format),
        "kind": st.sampled_from(KINDS),
        "time": st.integers(0, 80 * DAY).map(lambda age: NOW - age),
        "actor_score": st.one_of(st.none(), st.floats(0, 100)),
        "actor_nth": st.one_of(st.none(), st.integers(0, 60), st.integers(0, 5_000)),
        "age_days": st.one_of(st.none(), st.integers(0, 9), st.integers(0, 900)),
        "mutual": st.sampled_from([None, False, True]),
    }
)


def event(fields: dict[str, Any]) -> Engagement:
    """Return an engagement with the target of all these logs."""
    known = dict(fields)
    age = known.pop("age_days")
    return engagement(actor_since=None if age is None else known["time"] - age * DAY, **known)


def target(*events: Engagement) -> tuple[Any, float]:
    """Return the levels of the target's factors, and its score."""
    part = folded(post(time=NOW - DAY), Tick("t", NOW), *events)
    seen = features_of(part)
    return levels(seen)[0], float(model.score(seen).score[0])


@settings(deadline=None)
@given(st.lists(stamps, max_size=40), st.lists(stamps, min_size=1, max_size=40))
def test_no_further_engagement_lowers_a_score(honest: list[dict[str, Any]], further: list[dict[str, Any]]) -> None:
    """New, busy, mutual or none of it; by strangers or by those who engaged before; in rows of either tier."""
    before = [event(fields) for fields in honest]
    least, score = target(*before)
    most, higher = target(*before, *map(event, further))
    assert (most >= least - 1e-12).all()
    assert higher >= score - 1e-12


@settings(deadline=None, max_examples=20)
@given(
    st.lists(stamps, min_size=1, max_size=SMALL_LIMIT),
    st.integers(1, 2_000),
    st.integers(250, 5_000),
    st.booleans(),
)
def test_a_flood_of_bots_changes_no_score(honest: list[dict[str, Any]], bots: int, nth: int, mutual: bool) -> None:
    """Not upwards, and not downwards: they crowd nobody out of the samples."""
    before = [event(fields) for fields in honest]
    _, score = target(*before)
    flood = [
        engagement(f"bluesky:bot{i}", time=NOW - i % 80 * DAY, actor_nth=nth + i, actor_since=NOW, mutual=mutual)
        for i in range(bots)
    ]
    _, after = target(*before, *flood)
    np.testing.assert_allclose(after, score, rtol=1e-12)
