"""
Baselines: how much engagement an hour usually brings, from what the hours before it brought.

The same hour of the past seven days, smoothed with its neighbours, by their median: a spike of yesterday is one sample
of seven. A factor for the trend brings the median, which is days old, up to today. Where the hour before it brought
more than that, the hour before counts: a slow rise is no spike.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

HOURS: Final = 192
"""Hours of history that a baseline may need: eight days, whose oldest is not yet complete."""

DAYS: Final = 7

LEARNING_HOURS: Final = 2
"""History without which nothing is above `high`, so that nobody spikes by being seen for the first time."""

_BOUNDLESS: Final = 1e7

DROP_HOURS: Final = 48
"""History without which an hour's `low` is 0."""

LEAST: Final = 4.0
"""Engagements an hour below which no baseline is taken to lie: with less, ten in half an hour would be a spike."""

_DAY: Final = 24
_MAD: Final = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
_LEAP: Final = 2.0
"""An hour counts for at most this many times what it usually brings: so a spike does not raise what comes after it."""
_FEW: Final = 3.0
"""And so many more, for accounts whose usual hour brings next to nothing."""
_NOISE: Final = 1.2
"""An hour's variance in a Poisson process, of its baseline, which is not known exactly either."""
_CALM_HOURS: Final = 3
"""The busiest of so many hours before may bring less than usual for a drop to be none: a silence is silent longer."""
_DAYS_SURE: Final = 4
"""From so many days on the quietest may have been a silence itself: the second least of them counts."""
_UNREST: Final = 0.2
"""Taken to be the part by which hours differ, before two days are known."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Columns of n rows, engagements per hour."""

    expected: Column
    high: Column
    """The most that is still usual: what a rise is measured against."""
    low: Column
    """The least that is still usual; 0 without two days of history. What a drop is measured against."""


def rates(back: NDArray[np.integer], known: NDArray[np.int64]) -> Rates:
    """
    Return what one hour is expected to bring to each of n accounts.

    Args:
        back: [n, `HOURS` - 1], what each hour before it brought, the newest first.
        known: [n], of how many of these the history is known; those before are disregarded.
    """
    hours = back.astype(np.float64)
    smooth = np.zeros_like(hours)
    smooth[:, 1:-1] = (hours[:, :-2] + 2.0 * hours[:, 1:-1] + hours[:, 2:]) / 4.0
    samples = smooth[:, _DAY - 1 : _DAY * DAYS : _DAY]
    days = np.clip((known - 1) // _DAY, 0, DAYS)
    usual = _medians(samples, days)
    yesterday = _yesterday(smooth, days)
    trend = _trend(hours[:, :_DAY], yesterday, days)
    typical = usual * trend
    recent = np.where(
        days >= 1,
        np.minimum(hours[:, 0], _LEAP * np.maximum(yesterday[:, 0] * trend, typical) + _FEW),
        _greatest_known(hours[:, :3], known),
    )
    expected = np.where(days >= 1, typical, recent)
    base = np.maximum(expected, recent)
    unrest = _unrest(hours[:, :_DAY], yesterday * trend[:, None], days) * base
    high = np.maximum(base + unrest / 2.0 + np.sqrt(base), LEAST)
    high = np.where(known >= LEARNING_HOURS, high, _BOUNDLESS)
    calm = np.minimum(
        np.minimum(typical, hours[:, :_CALM_HOURS].max(axis=1)), _least(samples, days) * np.minimum(trend, 1.0)
    )
    low = np.where(days >= 2, np.maximum(calm - unrest - np.sqrt(calm), 0.0), 0.0)
    return Rates(expected, high, low)


def _medians(samples: Column, known: NDArray[np.int64]) -> Column:
    """Return the median of the first `known` samples of each row, over the last axis; 0 of none."""
    width = samples.shape[-1]
    unknown = np.arange(width) >= known[:, None]
    if samples.ndim == 3:
        unknown, known = unknown[:, None, :], known[:, None]
    ordered = np.sort(np.where(unknown, np.inf, samples), axis=-1)
    below, above = np.maximum((known - 1) // 2, 0), known // 2
    below, above = (np.minimum(at, width - 1) for at in (below, above))
    shape = ordered.shape[:-1]
    middle = [
        np.take_along_axis(ordered, np.broadcast_to(at, shape)[..., None], axis=-1)[..., 0] for at in (below, above)
    ]
    return np.where(known > 0, (middle[0] + middle[1]) / 2.0, 0.0)


def _yesterday(smooth: Column, days: NDArray[np.int64]) -> Column:
    """Return what each of the last 24 hours was expected to bring, [n, 24], newest first."""
    at = _DAY + np.arange(_DAY)[:, None] + _DAY * np.arange(DAYS - 1)
    return _medians(smooth[:, at], days - 1)


def _trend(hours: Column, yesterday: Column, days: NDArray[np.int64]) -> Column:
    """Return what the last day brought against what had been expected of it, within a half and two."""
    brought = np.minimum(hours, _LEAP * yesterday + _FEW).sum(axis=1)
    expected = yesterday.sum(axis=1)
    ratio = np.divide(brought, expected, out=np.ones_like(brought), where=expected > 0)
    return np.where(days >= 2, np.clip(ratio, 0.5, 2.0), 1.0)


def _unrest(hours: Column, expected: Column, days: NDArray[np.int64]) -> Column:
    """Return the part by which hours differ from what is expected of them, beyond a Poisson process's noise."""
    least = np.maximum(expected, 1.0)
    off = _MAD * np.median(np.abs(hours - expected) / least, axis=1)
    noise = np.median(1.0 / least, axis=1) * _NOISE
    return np.where(days >= 2, np.sqrt(np.maximum(off**2 - noise, 0.0)), _UNREST)


def _greatest_known(hours: Column, known: NDArray[np.int64]) -> Column:
    greatest: Column = np.where(np.arange(hours.shape[1]) < known[:, None], hours, 0.0).max(axis=1)
    return greatest


def _least(samples: Column, days: NDArray[np.int64]) -> Column:
    ordered = np.sort(np.where(np.arange(samples.shape[1]) < days[:, None], samples, np.inf), axis=1)
    least: Column = np.where(days >= _DAYS_SURE, ordered[:, 1], ordered[:, 0])
    return np.where(days > 0, least, 0.0)
