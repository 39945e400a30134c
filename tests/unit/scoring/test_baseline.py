"""What an hour is expected to bring."""

import numpy as np
import pytest

from pipeline.scoring.baseline import HOURS, LEAST, Rates, rates

BACK = np.arange(1, HOURS)
"""Hours before the one that is asked for, newest first."""


def of(hours: np.ndarray, known: int = HOURS - 1) -> Rates:
    """Return the rates of one account."""
    return rates(hours[None, :], np.array([known]))


def rhythm(at: np.ndarray) -> np.ndarray:
    """Return a day's rhythm: 300 at its height, 100 at its depth, the hour asked for being the height."""
    return 200 + 100 * np.cos(2 * np.pi * at / 24)


def test_the_hour_of_the_day_is_known() -> None:
    """The height of the day is expected, though the hours before brought less; not the low of it, though more."""
    assert of(rhythm(BACK)).expected[0] == pytest.approx(300, rel=0.03)
    assert of(rhythm(BACK - 12)).expected[0] == pytest.approx(100, rel=0.1)


def test_a_spike_of_yesterday_changes_nothing() -> None:
    """Twenty times the usual, for three hours at the same time of day: robust to one's own spikes."""
    hours = rhythm(BACK)
    spiked = hours.copy()
    spiked[22:25] *= 20
    assert of(spiked).expected[0] == pytest.approx(of(hours).expected[0], rel=0.15)


def test_a_trend_is_followed() -> None:
    """Ten percent more each day: the median is four days old, the expectation is not."""
    hours = 200 * 1.1 ** (-BACK / 24)
    assert of(hours).expected[0] == pytest.approx(200, rel=0.06)


def test_a_busier_hour_just_before_counts() -> None:
    """What rose slowly is no spike: the most that is usual follows the hour before, up to twice the expected."""
    hours = np.full(HOURS - 1, 100.0)
    hours[0] = 180
    assert of(hours).high[0] > 180
    hours[0] = 5000
    assert of(hours).high[0] < 300


def test_without_history_the_last_hours_are_the_baseline() -> None:
    """And nothing below the least; a drop needs two days."""
    hours = np.full(HOURS - 1, 120.0)
    first = of(hours, known=2)
    assert first.expected[0] == 120
    assert first.low[0] == 0
    assert of(np.zeros(HOURS - 1), known=2).high[0] == LEAST
    assert of(hours, known=1).high[0] > 1e6
    assert of(hours).low[0] > 80


def test_unrest_raises_what_is_still_usual() -> None:
    """Hours that differ by a third each day make a spike harder to see."""
    random = np.random.default_rng(1)
    calm = random.poisson(300, HOURS - 1).astype(float)
    restless = calm * np.exp(random.normal(0, 0.4, HOURS - 1))
    assert of(restless).high[0] / of(restless).expected[0] > of(calm).high[0] / of(calm).expected[0] + 0.05
