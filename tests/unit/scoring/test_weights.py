"""What an engagement is worth, and what an actor counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring import weights
from pipeline.scoring.credit import CREDIT_ONE, NEW_DAYS, NO_STAMP
from schemas.engagement import KINDS

LIKE, SHARE, COMMENT, FOLLOW = range(len(KINDS))


def column(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return a column."""
    return np.array(values, np.int64)


def test_every_network_that_klout_and_its_heirs_had_has_weights() -> None:
    """The unknown network stands first: its index is the default."""
    assert weights.NETWORKS == (
        "unknown", "twitter", "facebook", "googleplus", "linkedin", "instagram", "tiktok", "youtube", "pinterest",
        "bluesky", "mastodon", "github", "nostr", "blog",
    )  # fmt: skip


def test_every_weight_tells_its_source_or_reason() -> None:
    """And lies within reason."""
    for network, kinds in weights.WEIGHTS.items():
        for kind in KINDS:
            weight, reason = getattr(kinds, kind)
            assert 0.1 <= weight <= 5, (network, kind)
            assert len(reason) >= 4, (network, kind)


def test_an_unknown_network_has_the_default_weights() -> None:
    """Whatever its name is."""
    assert weights.network_index("myspace") == weights.network_index("") == 0
    assert weights.NETWORKS[weights.network_index("bluesky")] == "bluesky"


def worth(network: int, kind: int, nth: int, age: int = 30, *, mutual: bool = False) -> int:
    """Return what one engagement is worth."""
    stamps = (column(network), column(kind), column(nth), column(age), np.array([mutual]))
    return int(weights.worth(*stamps)[0])


def test_the_first_like_of_the_day_is_the_unit_of_worth() -> None:
    """And a share is worth two."""
    twitter = weights.network_index("twitter")
    assert worth(twitter, LIKE, 0) == weights.WORTH_ONE
    assert worth(twitter, SHARE, 0) == 2 * weights.WORTH_ONE


@given(st.integers(0, 13), st.integers(0, 3), st.integers(-1, 2**40), st.integers(-1, 2**40), st.booleans())
def test_worth_is_never_negative(network: int, kind: int, nth: int, age: int, mutual: bool) -> None:
    """Whatever is stamped: what is not believed is worth nothing, and takes nothing."""
    assert 0 <= worth(network, kind, nth, age, mutual=mutual) <= 5 * weights.WORTH_ONE


def test_an_action_without_a_stamp_counts_like_the_sixth_of_the_day() -> None:
    """Neither rewarded nor punished for what nobody knows."""
    assert worth(0, LIKE, NO_STAMP, NO_STAMP) == pytest.approx(worth(0, LIKE, weights.NTH_DEFAULT), abs=2)


def quality(worth: int, score: int, age: int, believed: int = CREDIT_ONE) -> int:
    """Return how far one actor counts."""
    return int(weights.quality(column(worth), column(score), column(age), column(believed))[0])


def test_a_first_action_makes_nearly_a_whole_person() -> None:
    """Of an established actor."""
    assert quality(weights.WORTH_ONE, 80, 100) > 0.9 * weights.ACTOR_ONE


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ((100, 40, 30, 1024), (1024, 40, 30, 1024)),
        ((1024, 2, 30, 1024), (1024, 40, 30, 1024)),
        ((1024, 40, 0, 1024), (1024, 40, 30, 1024)),
        ((1024, 40, 30, 100), (1024, 40, 30, 1024)),
    ],
    ids=["worth", "score", "age", "credit"],
)
def test_quality_rises_with_each_of_its_arguments(
    worse: tuple[int, int, int, int], better: tuple[int, int, int, int]
) -> None:
    """With worth, score, age and credit."""
    assert 0 < quality(*worse) < quality(*better)


def test_newness_alone_costs_little() -> None:
    """A fifth on the first day, a twentieth after a week."""
    assert quality(1024, 40, 0) > 0.79 * quality(1024, 40, 60)
    assert quality(1024, 40, 7) > 0.94 * quality(1024, 40, 60)


def test_who_did_nothing_of_worth_is_nobody() -> None:
    """No worth, no quality, whatever else is known."""
    assert quality(0, 200, 60) == quality(-5, 200, 60) == 0


def test_quality_never_falls_with_worth() -> None:
    """A further engagement never lowers what an actor counts."""
    worth = np.arange(0, 6 * weights.WORTH_ONE)
    same = np.full(len(worth), 30)
    quality = weights.quality(worth, same, same, np.full(len(worth), CREDIT_ONE))
    assert (np.diff(quality) >= 0).all()
    assert quality.max() <= weights.ACTOR_ONE


def test_influence_is_convex_in_the_score() -> None:
    """An actor at 90 weighs as much as sixty at 20; nobody weighs nothing."""
    influence = weights.influence(np.arange(201))
    assert (np.diff(influence) >= 0).all()
    assert influence[0] > 0
    assert influence[200] == weights.ACTOR_ONE
    assert 50 < influence[180] / influence[40] < 70
    (unknown,) = weights.influence(column(NO_STAMP))
    assert influence[0] < unknown < influence[40]


def test_what_is_unknown_counts_as_its_default() -> None:
    """So that the state may put the default in the place of a missing stamp."""
    assert quality(500, NO_STAMP, NO_STAMP) == quality(500, weights.SCORE_DEFAULT, weights.AGE_DEFAULT)
    assert weights.AGE_DEFAULT >= NEW_DAYS


def test_stamps_out_of_range_are_clipped() -> None:
    """The fold has no exception to handle."""
    wild = column(-(2**40), 2**40)
    quality = weights.quality(wild, wild, wild, column(0, CREDIT_ONE))
    assert ((quality >= 0) & (quality <= weights.ACTOR_ONE)).all()
    assert ((weights.influence(wild) > 0) & (weights.influence(wild) <= weights.ACTOR_ONE)).all()
