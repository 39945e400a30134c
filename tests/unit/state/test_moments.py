"""Posts by what they earned, and what that is worth."""

import numpy as np
import pytest

from pipeline.scoring.windows import WINDOWS
from pipeline.state.details import details_documents
from pipeline.state.moments import POSTS, Moments
from pipeline.state.partition import Partition
from pipeline.state.view import features
from schemas import Details, Engagement
from tests.unit.state.log import DAY, FOREVER, HOUR, MINUTE, NOW, changelog, engagement, fold, log_of, restored


def played(*events: Engagement) -> Partition:
    """Return a partition of these events, which came in small runs: a large one keeps few lines of a small row."""
    return fold(log_of(*events), Partition(0, FOREVER), step=16, settle=True)[0]


def details(part: Partition) -> Details:
    """Return the details of the one user."""
    rows = np.array([part.index[b"bluesky:target"]])
    (made,) = details_documents(part, rows, features(part, rows), NOW)
    return made


def likes(post: str, n: int, age_ms: int) -> list[Engagement]:
    """Return likes of a post, all of one age, by an actor each."""
    return [engagement(f"bluesky:{post}-{i}", object=post, time=NOW - age_ms) for i in range(n)]


@pytest.mark.parametrize("n", [2, 40])
def test_posts_are_counted_in_each_window(n: int) -> None:
    """In a small and in a large row: one of a minute ago, one of two days ago, one of a month ago."""
    part = played(
        *likes("old", 5 * n, 30 * DAY),
        *likes("weekly", 3 * n, 2 * DAY),
        *likes("fresh", n, MINUTE),
        engagement(time=NOW),
    )
    counts = {each.object: (each.hour, each.day, each.week, each.quarter) for each in details(part).moments}
    assert counts["old"][:3] == (0, 0, 0)
    assert counts["weekly"][:2] == (0, 0)
    assert counts["fresh"][3] == pytest.approx(n, abs=1)
    assert counts["old"][3] == pytest.approx(5 * n, rel=0.35)
    assert counts["weekly"][2] == pytest.approx(3 * n, rel=0.35)


def test_the_post_that_earned_most_is_worth_most() -> None:
    """And no post is worth more than the score."""
    part = played(*likes("hit", 200, HOUR), *likes("flop", 5, HOUR), *likes("other", 100, DAY // 2))
    found = details(part).moments
    assert [each.object for each in found] == ["hit", "other", "flop"]
    assert 0 <= found[2].points < found[1].points < found[0].points < 100


def test_a_restored_row_has_the_same_moments() -> None:
    """They are a section of the row."""
    part = played(*likes("hit", 200, HOUR), *likes("other", 100, DAY))
    assert details(restored(changelog(part), part.positions)).moments == details(part).moments


@pytest.mark.parametrize("seed", range(5))
def test_what_two_rows_earned_adds_up_to_what_one_would_have(seed: int) -> None:
    """The state merges: whoever counts the halves of the events, in any order, counts the whole."""
    random = np.random.default_rng(seed)
    events = [(f"post{n % 7}", NOW // 1000 - int(random.integers(0, 40 * 86_400))) for n in range(400)]
    moments = Moments(WINDOWS)
    for post, time in sorted(events, key=lambda each: each[1]):
        moments.add(0, post, time)
    for place in random.permutation(len(events)).tolist():
        moments.add(1 + place % 2, *events[place])
    whole, one, other = (moments.earned(row, NOW // 1000) for row in range(3))
    assert set(whole) == set(one) | set(other)
    for post, within in whole.items():
        halves = np.add(one.get(post, [0.0] * 4), other.get(post, [0.0] * 4))
        np.testing.assert_allclose(halves, within, atol=1e-9)


def test_a_row_keeps_the_posts_that_earned_most() -> None:
    """Among hundreds of posts with one engagement each, the one that earns steadily stays."""
    moments = Moments(WINDOWS)
    for second in range(2000):
        moments.add(0, "steady" if second % 10 == 0 else f"post{second}", NOW // 1000 + second)
    earned = moments.earned(0, NOW // 1000 + 2000)
    assert len(earned) == POSTS
    assert earned["steady"][3] > 150
