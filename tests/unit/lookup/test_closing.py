"""Which points end an hour or a day, and go to the log of hours and days."""

from pipeline.lookup.history.closing import Stamped, closed
from pipeline.lookup.history.series import DAY_MS, HOUR_MS, Point
from schemas import HistoryPoint

DAY = 15_525 * DAY_MS
"""Midnight of a day in July 2012."""


def points(*given: tuple[int, float]) -> list[HistoryPoint]:
    """Return what these times (from midnight, ms) and scores close; versions count from 1."""
    return list(closed("x:a", [Stamped(Point(DAY + time, score), n) for n, (time, score) in enumerate(given, 1)]))


def test_the_last_score_of_an_hour_is_closed_by_one_of_a_later_hour() -> None:
    """Not by one of the same hour: that replaces it."""
    assert points((1, 50.0), (2, 51.0)) == []
    assert points((1, 50.0), (2, 51.0), (3 * HOUR_MS, 52.0)) == [HistoryPoint("x:a", "hour", DAY + 2, 51.0, 2)]


def test_the_last_score_of_a_day_closes_its_hour_too() -> None:
    """Each resolution has a record of its own."""
    assert points((5, 50.0), (DAY_MS, 51.0)) == [
        HistoryPoint("x:a", "hour", DAY + 5, 50.0, 1),
        HistoryPoint("x:a", "day", DAY + 5, 50.0, 1),
    ]


def test_a_score_that_stays_closes_nothing() -> None:
    """It still holds: an hour without a record has the score of the one before it."""
    assert points((1, 50.0), (HOUR_MS, 50.0), (2 * HOUR_MS, 50.0)) == []
    (only,) = points((1, 50.0), (HOUR_MS, 50.0), (2 * HOUR_MS, 51.0))
    assert only == HistoryPoint("x:a", "hour", DAY + 1, 50.0, 1)


def test_an_older_score_closes_nothing() -> None:
    """It comes from a worker that woke up, or from scores that are read again."""
    assert points((HOUR_MS, 50.0), (1, 40.0)) == []
