"""Scores over time: what is kept, and what is read from it."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.lookup.history.series import (
    DAY_MS,
    DAYS_KEPT_MS,
    HOUR_MS,
    MINUTE_MS,
    Changes,
    Point,
    Series,
    last_of_each,
)
from tests.support.series import thinned

NOW = 1_341_446_400_000
"""5 July 2012, 00:00 UTC: what a replayed log says, not the clock."""

SERIES = st.lists(
    st.tuples(st.integers(0, DAYS_KEPT_MS // 1000), st.integers(100, 10_000)), unique_by=lambda point: point[0]
).map(lambda points: [Point(NOW - ago * 1000, score / 100) for ago, score in sorted(points, reverse=True)])


@given(points=SERIES, version=st.integers(0, 1 << 53))
def test_what_is_written_is_read(points: list[Point], version: int) -> None:
    """Times to the millisecond, scores to the hundredth."""
    read = Series.decode(Series(points, version).encode())
    assert (read.points, read.version) == (points, version)


@given(points=SERIES)
def test_thinning_keeps_the_last_score_of_each_slot(points: list[Point]) -> None:
    """A minute within a day, an hour within two weeks, a day beyond; and thinning twice changes nothing."""
    kept = thinned(points)
    assert thinned(kept) == kept
    for slot_ms, age_ms in ((MINUTE_MS, DAY_MS), (HOUR_MS, 14 * DAY_MS), (DAY_MS, DAYS_KEPT_MS)):
        recent = [point for point in points if points[-1].time - point.time < age_ms]
        slots = {point.time // slot_ms: point for point in recent}
        assert set(slots.values()) <= set(kept)


def test_a_series_is_bounded() -> None:
    """However often a score changes."""
    every_30_s = [Point(NOW + n * 30_000, 1 + n % 99) for n in range(40 * 2880)]
    assert len(thinned(every_30_s)) <= 24 * 60 + 14 * 24 + 40


def test_a_score_holds_until_the_next_one() -> None:
    """Before the first nothing is known."""
    series = Series([Point(NOW, 10.0), Point(NOW + HOUR_MS, 20.0)])
    assert [series.at(NOW + offset) for offset in (-1, 0, HOUR_MS - 1, HOUR_MS, DAY_MS)] == [None, 10, 10, 20, 20]


def test_changes_are_counted_from_the_score_that_held_then() -> None:
    """They are unknown where the history does not reach back so far."""
    series = Series([Point(NOW - 8 * DAY_MS, 10.0), Point(NOW - 2 * DAY_MS, 30.0), Point(NOW - HOUR_MS, 25.5)])
    assert series.changes(NOW, 25.5) == Changes(day=-4.5, week=15.5, month=None)


def test_a_window_is_led_by_the_score_that_held_when_it_began() -> None:
    """So that a graph has a beginning."""
    points = [Point(NOW - 3 * HOUR_MS, 1.0), Point(NOW - 2 * HOUR_MS, 2.0), Point(NOW - HOUR_MS, 3.0)]
    series = Series(points)
    assert series.since(NOW - 2 * HOUR_MS + 1) == points[1:]
    assert series.since(NOW - 2 * HOUR_MS) == points[1:]
    assert series.since(NOW - 2 * HOUR_MS - 1) == points
    assert series.since(NOW - DAY_MS) == points
    assert Series([]).since(NOW) == []


def test_of_each_slot_the_last_point_is_shown() -> None:
    """Aligned to the epoch."""
    points = [Point(0, 1.0), Point(59_999, 2.0), Point(60_000, 3.0), Point(185_000, 4.0)]
    assert last_of_each(points, MINUTE_MS) == points[1:]
    assert last_of_each(points, HOUR_MS) == points[3:]
