"""The evaluation of spikes: its streams, its measures, and that the product's spikes pass a small one."""

import numpy as np
import pytest

from tests.validity.spikes.detectors import clout, clout_drops, fixed
from tests.validity.spikes.measures import Alerts, outcome
from tests.validity.spikes.streams import (
    DAY_MINUTES,
    EPOCH,
    MINUTE,
    SHAPES,
    Bursts,
    Streams,
    exact,
    mixed,
    moments,
    silent,
)

WARM_UP = 3


def streams_of(*bursts: tuple[int, int, int]) -> Streams:
    """Return two users for ten days, with bursts: user, minute of its beginning, minutes."""
    user, began, minutes = (np.array(column) for column in zip(*bursts, strict=True))
    n = len(bursts)
    labels = Bursts(user, EPOCH + began * MINUTE, minutes, np.full(n, 50), np.full(n, 5.0), np.zeros(n, np.int64))
    none = np.zeros(0, np.int64)
    return Streams(2, 10, none, none, labels)


def test_alerts_are_worth_what_they_find() -> None:
    """One of two bursts, two minutes late, told once more; and one alert of the other user about nothing."""
    first = 5 * DAY_MINUTES
    streams = streams_of((0, first, 10), (0, first + 600, 10))
    times = np.array([first + 2.0, first + 9.0, first + 300.0]) * MINUTE + EPOCH
    found = outcome(streams, Alerts(np.array([0, 0, 1]), times), WARM_UP)
    assert (found.recall, found.median_delay, found.repeats) == (0.5, 120.0, 1.0)
    assert found.precision == pytest.approx(2 / 3)
    assert found.false_per_1000 == pytest.approx(1000 / 14)


def test_what_comes_before_the_warm_up_is_over_does_not_count() -> None:
    """Every detector needs some days."""
    streams = streams_of((0, 5 * DAY_MINUTES, 10))
    early = Alerts(np.array([1]), np.array([EPOCH + 3600.0]))
    assert outcome(streams, early, WARM_UP).false_per_1000 == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_burst_lies_within_its_length(shape: str) -> None:
    """Whatever its shape."""
    at = moments(shape, 500, np.random.default_rng(1))
    assert at.min() >= 0
    assert at.max() < 1


def test_exact_bursts_have_the_ratio_they_promise() -> None:
    """Fifty in three minutes make five times the rate of that hour."""
    streams = exact(5, 5, WARM_UP, 3, 50, np.random.default_rng(1))
    assert len(streams.bursts) >= 5
    assert streams.bursts.ratio == pytest.approx(np.full(len(streams.bursts), 5.0), rel=0.03)


def test_the_products_spikes_beat_a_fixed_threshold_on_a_small_stream() -> None:
    """A quick look at what `make validity` measures: most bursts are found, and nearly nothing else."""
    streams = mixed(40, 8, WARM_UP, np.random.default_rng(3))
    ours = outcome(streams, clout(streams), WARM_UP)
    best = max(outcome(streams, alerts, WARM_UP).f1 for _, alerts in fixed(streams))
    assert ours.recall > 0.93
    assert ours.precision > 0.97
    assert ours.f1 > best


def test_the_products_drops_are_right_on_a_small_stream() -> None:
    """Busy accounts that fall silent for hours are told of, and nobody else."""
    streams = silent(15, 9, WARM_UP, np.random.default_rng(3))
    found = outcome(streams, clout_drops(streams), WARM_UP)
    assert found.bursts >= 5
    assert found.recall > 0.8
    assert found.precision > 0.95
