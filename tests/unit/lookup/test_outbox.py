"""What the log of hours and days is told of a point that a later one follows."""

from pipeline.lookup.history.outbox import points_of
from pipeline.lookup.history.series import DAY_MS, HOUR_MS
from schemas import HistoryPoint

DAY = 15_525 * DAY_MS
"""Midnight of a day in July 2012."""


def test_the_last_score_of_an_hour_is_a_record() -> None:
    """Whatever the id of the user holds."""
    entry = f"17 {DAY + 5} 5123 {DAY + HOUR_MS} x:a b\n"
    assert list(points_of(entry)) == [("x:a b\n", HistoryPoint("x:a b\n", "hour", DAY + 5, 51.23, 17))]


def test_the_last_score_of_a_day_is_two() -> None:
    """One for each resolution."""
    (_, hour), (_, day) = points_of(f"17 {DAY + 5} 5123 {DAY + DAY_MS} x:a")
    assert hour == HistoryPoint("x:a", "hour", DAY + 5, 51.23, 17)
    assert day == HistoryPoint("x:a", "day", DAY + 5, 51.23, 17)


def test_a_history_that_ended_is_a_tombstone() -> None:
    """It has no time."""
    assert list(points_of("0 0 0 0 x:a")) == [("x:a", None)]
