"""Totals by difference: ten are one event of an aggregate actor, durable, and never twice."""

from pathlib import Path

import pytest

from agents.settled import SettledTable
from agents.totals import Total, Totals
from pipeline.topics import DAY_MS
from schemas import Engagement

NOW = 1_795_324_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where totals are kept."""
    return tmp_path / "totals.sqlite"


def total(count: int, name: str = "video/a", posted: int | None = NOW - 1_000) -> Total:
    """Return a total of likes."""
    return Total("youtube", name, "UC1", {"like": count}, f"youtube:{name}", posted)


def made(totals: Totals, said: Total, now: int = NOW) -> list[Engagement]:
    """Return the events of a total."""
    fate = totals.read(said, now)
    assert not isinstance(fate, str)
    return fate


def test_ten_of_a_total_are_one_event_of_an_aggregate_actor(path: Path) -> None:
    """Named as such, with a score of 0, at moments between the two looks."""
    totals = Totals(SettledTable(path, 100))
    assert totals.read(total(9), NOW) == "same_total"
    events = made(totals, total(39), NOW + 3_000)
    assert [event.id for event in events] == [f"youtube:video/a/like/total/{n}" for n in (10, 20, 30)]
    assert [event.actor for event in events] == [f"youtube:aggregate/UC1/{n}" for n in (1, 2, 3)]
    assert [event.time for event in events] == [NOW + 1_000, NOW + 2_000, NOW + 3_000]
    assert {(event.actor_score, event.mutual, event.target) for event in events} == {(0.0, False, "youtube:UC1")}
    assert totals.read(total(39), NOW + 4_000) == "same_total"


def test_what_several_posts_gain_is_by_the_same_actors(path: Path) -> None:
    """Nobody knows whether they are others: what is certain is the most that one post gained."""
    totals = Totals(SettledTable(path, 100))
    first = made(totals, total(200))
    assert totals.read(total(5_000, "video/b", NOW - 9 * DAY_MS), NOW) == "first_total"
    second = made(totals, total(5_100, "video/b", NOW - 9 * DAY_MS), NOW + 1)
    assert {event.actor for event in second} < {event.actor for event in first}
    assert not {event.id for event in second} & {event.id for event in first}


def test_a_total_that_falls_withdraws_nothing_and_counts_again_above_its_highest(path: Path) -> None:
    """Up and down costs and brings nothing."""
    totals = Totals(SettledTable(path, 100))
    made(totals, total(100))
    for count in (50, 100, 20, 109):
        assert totals.read(total(count), NOW + 1) == ("total_fell" if count < 100 else "same_total")
    assert len(made(totals, total(110), NOW + 2)) == 1


def test_one_look_makes_so_many_events_and_the_next_one_more(path: Path) -> None:
    """No figure floods the log, and none is lost."""
    totals = Totals(SettledTable(path, 100))
    ids = [event.id for _ in range(3) for event in made(totals, total(25_000))]
    assert len(ids) == len(set(ids)) == 2_500
    assert totals.read(total(25_000), NOW) == "same_total"


def test_what_had_not_settled_is_told_again_with_the_same_ids(path: Path) -> None:
    """After a crash; and what had settled is not."""
    before = SettledTable(path, 100)
    events = made(Totals(before), total(100))
    unsettled = SettledTable(path, 100)
    assert [event.id for event in made(Totals(unsettled), total(100))] == [event.id for event in events]
    unsettled.settle(unsettled.take())
    settled = Totals(SettledTable(path, 100))
    assert settled.read(total(100), NOW) == "same_total"
    (more,) = made(settled, total(110), NOW + 1)
    assert more.id == "youtube:video/a/like/total/110"


def test_an_older_state_never_replaces_a_newer_one(path: Path) -> None:
    """What is settled later was read later."""
    table = SettledTable(path, 100)
    totals = Totals(table)
    made(totals, total(10))
    first = table.take()
    made(totals, total(20))
    table.settle(first)
    assert totals.read(total(20), NOW) == "same_total", "what is newer is still known"
    table.settle(table.take())
    assert Totals(SettledTable(path, 100)).read(total(20), NOW) == "same_total"
