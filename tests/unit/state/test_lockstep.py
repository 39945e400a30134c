"""Actors in lockstep are found whatever the order, and crowds of people are not taken for them."""

import numpy as np
import pytest

from pipeline.scoring.authenticity import SIGNALS, authenticity, suspicions
from pipeline.scoring.features import Features
from pipeline.scoring.model import score
from pipeline.state.partition import Partition
from pipeline.state.view import features
from schemas import Engagement
from tests.unit.state.log import DAY, FOREVER, HOUR, MINUTE, NOW, engagement, fold, log_of

OCCASIONS = [NOW - days * DAY for days in (40, 31, 20, 9)]
"""In four slices of the 90 days."""


def seen(events: list[Engagement]) -> Features:
    """Return the features of the one user."""
    part, _ = fold(log_of(*events), Partition(0, FOREVER))
    return features(part, np.array([part.index[b"bluesky:target"]]), NOW)


def crowd(actors: int, spread_ms: int, *, seed: int = 1, occasions: list[int] = OCCASIONS) -> list[Engagement]:
    """Return engagement by the same actors on some occasions, each within so much time."""
    random = np.random.default_rng(seed)
    return [
        engagement(f"bluesky:reader{actor}", time=at + int(random.integers(0, spread_ms)), object=f"post{at}")
        for at in occasions
        for actor in range(actors)
    ]


@pytest.mark.parametrize("actors", [12, 100, 600])
def test_those_who_come_together_again_and_again_are_in_lockstep(actors: int) -> None:
    """In a small row, in a large one, and where only a sample of the actors is known."""
    suspect = seen(crowd(actors, 1500))
    assert suspect.lockstep[0] == pytest.approx(suspect.engagers[0], rel=0.1)
    assert SIGNALS[int(suspicions(suspect)[0].argmax())] == "lockstep"
    assert authenticity(suspect)[0] < (60 if actors == 12 else 20)


@pytest.mark.parametrize("spread_ms", [2 * MINUTE, HOUR, DAY])
def test_readers_who_answer_every_post_soon_are_people(spread_ms: int) -> None:
    """A fan club with notifications: all of them within minutes, each at a moment of their own."""
    fans = seen(crowd(150, spread_ms))
    assert fans.lockstep[0] <= 0.03 * fans.engagers[0]
    assert authenticity(fans)[0] >= 97


def test_one_burst_is_no_lockstep() -> None:
    """A thousand people within seconds, once: who goes viral looks like that."""
    assert seen(crowd(1000, 10_000, occasions=[NOW - DAY])).lockstep[0] == 0


def test_lockstep_takes_nothing_away() -> None:
    """The score is that of the same crowd at moments of their own, but for what those moments make."""
    together, apart = seen(crowd(100, 1500)), seen(crowd(100, 2 * MINUTE))
    assert score(together).score[0] == pytest.approx(score(apart).score[0], abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_neither_order_nor_batches_matter(seed: int) -> None:
    """Machines and people mixed, in any order."""
    events = crowd(40, 1500) + [
        engagement(f"bluesky:other{n}", time=NOW - n * 7 * HOUR, object="post") for n in range(100)
    ]
    random = np.random.default_rng(seed)
    shuffled = [events[place] for place in random.permutation(len(events)).tolist()]
    assert seen(shuffled).lockstep.tolist() == seen(events).lockstep.tolist() == [40.0]
