"""What an engagement is worth, and what an actor counts."""

import numpy as np
import pytest

from pipeline.scoring import weights
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


def test_the_first_like_of_the_day_is_the_unit_of_worth() -> None:
    """And a share is worth two."""
    twitter = weights.network_index("twitter")
    worth = weights.worth(column(twitter, twitter), column(LIKE, SHARE), column(0, 0))
    assert worth.tolist() == [weights.WORTH_ONE, 2 * weights.WORTH_ONE]


def test_worth_never_vanishes() -> None:
    """However busy the actor is, and whatever the weight."""
    n = len(weights.NETWORKS) * len(KINDS)
    network, kind = np.divmod(np.arange(n), len(KINDS))
    assert (weights.worth(network, kind, np.full(n, 2**40)) > 0).all()


def test_an_action_without_a_stamp_counts_like_the_sixth_of_the_day() -> None:
    """Neither rewarded nor punished for what nobody knows."""
    unknown, sixth = weights.worth(column(0, 0), column(LIKE, LIKE), column(weights.NO_STAMP, weights.NTH_DEFAULT))
    assert unknown == sixth


def test_a_first_action_makes_nearly_a_whole_person() -> None:
    """Of an established actor."""
    (quality,) = weights.quality(column(weights.WORTH_ONE), column(80), column(100), column(0))
    assert quality > 0.9 * weights.ACTOR_ONE


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ((100, 40, 30, 0), (1024, 40, 30, 0)),
        ((1024, 2, 30, 0), (1024, 40, 30, 0)),
        ((1024, 40, 0, 0), (1024, 40, 30, 0)),
        ((1024, 40, 30, 500), (1024, 40, 30, 0)),
    ],
    ids=["worth", "score", "age", "nth"],
)
def test_quality_depends_on_each_of_its_arguments(
    worse: tuple[int, int, int, int], better: tuple[int, int, int, int]
) -> None:
    """It rises with worth, score and age, and falls with the number of actions."""
    low, high = weights.quality(*np.array([worse, better], np.int64).T)
    assert 0 < low < high


def test_a_new_mass_actor_counts_little_but_counts() -> None:
    """An account of today with its thousandth action: a fiftieth of a person at most, and never nothing."""
    nth = column(1_000)
    worth = weights.worth(column(1), column(LIKE), nth)
    (quality,) = weights.quality(worth, column(2), column(0), nth)
    assert 0 < quality < weights.ACTOR_ONE / 50


def test_who_did_nothing_of_worth_is_nobody() -> None:
    """No worth, no quality, whatever else is known."""
    assert weights.quality(column(0, -5), column(200, 200), column(60, 60), column(0, 0)).tolist() == [0, 0]


def test_quality_never_falls_with_worth() -> None:
    """A further engagement never lowers what an actor counts."""
    worth = np.arange(0, 6 * weights.WORTH_ONE)
    same = np.full(len(worth), 30)
    quality = weights.quality(worth, same, same, same)
    assert (np.diff(quality) >= 0).all()
    assert quality.max() <= weights.ACTOR_ONE


def test_influence_is_convex_in_the_score() -> None:
    """An actor at 90 weighs as much as sixty at 20; nobody weighs nothing."""
    influence = weights.influence(np.arange(201))
    assert (np.diff(influence) >= 0).all()
    assert influence[0] > 0
    assert influence[200] == weights.ACTOR_ONE
    assert 50 < influence[180] / influence[40] < 70
    (unknown,) = weights.influence(column(weights.NO_SCORE))
    assert influence[0] < unknown < influence[40]


def test_stamps_out_of_range_are_clipped() -> None:
    """The fold has no exception to handle."""
    wild = column(-(2**40), 2**40)
    quality = weights.quality(wild, wild, wild, wild)
    assert ((quality >= 0) & (quality <= weights.ACTOR_ONE)).all()
    assert ((weights.influence(wild) > 0) & (weights.influence(wild) <= weights.ACTOR_ONE)).all()
