"""Details say what the score is made of, what becomes of it, and what is doubted."""

import numpy as np
import pytest

from pipeline.state.details import details_documents
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from pipeline.state.view import features
from schemas import Details, Levels, Tick
from tests.unit.state.log import DAY, HOUR, NOW, contribution, crowd, engagement, fold, folded, log_of, post

THOROUGH = [engagement(f"bluesky:a{i}", time=NOW - i * HOUR, actor_nth=i % 5) for i in range(200)]


def details(part: Partition, user: bytes = b"bluesky:target") -> Details:
    """Return the details of one row."""
    rows = np.array([part.index[user]])
    return details_documents(part, rows, features(part, rows), 0)[0]


def score(part: Partition, user: bytes = b"bluesky:target", as_of: int | None = None) -> float:
    """Return the score of one row, with all that other accounts contribute."""
    return float(standing(part, np.array([part.index[user]]), as_of)[1].score[0])


@pytest.mark.parametrize("n", [1, 40, 500])
def test_points_add_up_to_the_score(n: int) -> None:
    """By factor and by network, in a small row and in a large one."""
    part = folded(*THOROUGH[:n], post(time=NOW - DAY))
    told = details(part)
    assert sum(each.points for each in told.contributions) == pytest.approx(score(part), abs=0.002)
    assert [(each.network, each.points) for each in told.networks] == [
        ("bluesky", pytest.approx(score(part), abs=0.002))
    ]


def test_a_persons_points_are_of_all_accounts() -> None:
    """Two networks besides the row's own, one of which brings most."""
    part = folded(
        *THOROUGH[:60],
        contribution("github:x", "bluesky:target", levels=Levels(6.0, 2.0, 5.0)),
        contribution("nostr:x", "bluesky:target", levels=Levels(1.0, 0.5, 0.5)),
    )
    told = details(part)
    assert [each.network for each in told.networks] == ["github", "bluesky", "nostr"]
    for points in (told.networks, told.contributions):
        assert sum(each.points for each in points) == pytest.approx(score(part), abs=0.003)


def test_the_outlook_is_what_silence_brings() -> None:
    """The points that are lost a day and a week later, when nothing but time has passed."""
    log = log_of(*THOROUGH)
    part, _ = fold(log)
    told, before = details(part).fading, score(part)
    assert told is not None
    assert 0 < told.day < told.week
    for days, lost in ((1, told.day), (7, told.week)):
        assert before - score(part, as_of=part.as_of + days * DAY) == pytest.approx(lost, abs=0.006)
    log.add(Tick("t", NOW + 7 * DAY), timestamp=NOW + 7 * DAY)
    fold(log, part)
    assert before - score(part) == pytest.approx(told.week, abs=0.006)


def test_discounts_have_names() -> None:
    """What takes from the authenticity is told, the rest is not."""
    bots = [engagement(f"bluesky:bot{i}", actor_nth=900) for i in range(100)]
    told = details(folded(*THOROUGH[:50], *bots))
    assert [each.signal for each in told.discounts] == ["mass activity"]
    assert any(text.startswith("Mass activity") for text in told.weaknesses)
    assert details(folded(*THOROUGH)).discounts == []


def test_everyone_is_told_what_would_help() -> None:
    """From nobody to a crowd."""
    for events in (THOROUGH[:1], THOROUGH, crowd(2_000)):
        told = details(folded(*events))
        assert told.advice is not None
        assert told.advice.points > 0
    assert details(folded(post())).weaknesses == ["Nobody has engaged within 90 days."]


def test_rows_are_told_of_in_company_as_alone() -> None:
    """Persons among others, in any order."""
    part = folded(
        *THOROUGH, *crowd(9, target="github:b"), contribution("github:x", levels=Levels(6.0, 2.0, 5.0)), post("nostr:c")
    )
    rows = np.arange(len(part))[::-1]
    together = details_documents(part, rows, features(part, rows), 0)
    for row, told in zip(rows.tolist(), together, strict=True):
        assert told == details(part, part.ids[row])
