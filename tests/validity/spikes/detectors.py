"""The detectors: the product's own, and what one would otherwise take."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from river.anomaly import StandardAbsoluteDeviation
from river.drift import PageHinkley
from river.stats import Quantile

from pipeline.scoring.baseline import HOURS
from pipeline.scoring.spikes import BIN_SECONDS, SPIKES, SpikeConfig
from pipeline.state.course import Direction
from pipeline.state.spikes import Spikes
from pipeline.state.watches import Past
from tests.validity.spikes.measures import Alerts
from tests.validity.spikes.streams import EPOCH, MINUTE, Ints, Streams

COOLDOWN: Final = 15
"""Minutes: an alert of any detector goes on until so long nothing was unusual."""
WIDTHS: Final = (1, 5)
"""Minutes over which the baselines may count; the better one counts."""
LEAST: Final = 10
"""Engagements an alert of any detector needs within them."""

Sweep = Iterator[tuple[str, Alerts]]
"""A detector's alerts by its settings: the best of them is what it is measured by."""


def clout(streams: Streams, config: SpikeConfig = SPIKES) -> Alerts:
    """Return the rises that open, hour by hour; the time is the middle of the bin in which one is found."""
    return _opened(streams, config, "rise", 3600)


def clout_drops(streams: Streams, config: SpikeConfig = SPIKES) -> Alerts:
    """Return the drops that open; time passes five minutes at a time, as ticks make it pass a minute at a time."""
    return _opened(streams, config, "drop", 300)


def _opened(streams: Streams, config: SpikeConfig, direction: Direction, step: int) -> Alerts:
    spikes = Spikes(config)
    spikes.grow(streams.users)
    hours = streams.days * 24
    cell = streams.user * hours + (streams.time - EPOCH) // 3600
    hourly = np.bincount(cell, minlength=streams.users * hours).reshape(streams.users, hours)
    begins = range(EPOCH, streams.end, step)
    cuts = np.searchsorted(streams.time, [*begins, streams.end])
    changes = []
    for number, begin in enumerate(begins):
        part = slice(int(cuts[number]), int(cuts[number + 1]))
        order = np.argsort(streams.user[part], kind="stable")
        users, times = streams.user[part][order], streams.time[part][order]
        past = _past(hourly, (begin - EPOCH) // 3600)
        changes += spikes.fold(users, times, np.zeros(len(users), np.int64), begin + step - 1, past)
    opened = [change for change in changes if change.status == "open" and change.direction == direction]
    user = np.array([change.row for change in opened], np.int64)
    return Alerts(user, np.array([change.time + BIN_SECONDS / 2 for change in opened]))


def _past(hourly: Ints, hour: int) -> Callable[[Ints], Past]:
    def past(rows: Ints) -> Past:
        n, none = len(rows), np.zeros(0, np.int64)
        per_hour = hourly[rows, max(0, hour - 24) : hour].sum(axis=1) / max(1, min(24, hour))
        return Past(per_hour, np.full(n, min(hour, HOURS - 1)), np.zeros(n, np.bool_), none, none)

    return past


def fixed(streams: Streams) -> Sweep:
    """A fixed number of engagements within some minutes."""
    for width, counts in _counts(streams):
        for least in (10, 15, 20, 30, 50, 80, 120, 200):
            yield f"{least} in {width} min", _alerts(counts >= least)


def ewma(streams: Streams) -> Sweep:
    """Standard deviations above an exponentially weighted mean, by its own variance or Poisson's, the greater one."""
    for width, counts in _counts(streams):
        for memory in (60, 360):
            scores = _z_scores(counts, 1.0 / memory)
            for limit in (4.0, 6.0, 8.0, 12.0, 16.0):
                hot = (scores >= limit) & (counts >= LEAST)
                yield f"z {limit:g}, {memory} min, of {width} min", _alerts(hot)


def _z_scores(counts: NDArray[np.int32], part: float) -> NDArray[np.float32]:
    mean, variance = counts[:, 0].astype(float), np.ones(len(counts))
    scores = np.empty(counts.shape, np.float32)
    for minute in range(counts.shape[1]):
        off = counts[:, minute] - mean
        scores[:, minute] = off / np.sqrt(np.maximum(np.maximum(variance, mean), 0.25))
        mean += part * off
        variance += part * (off * off - variance)
    return scores


def river_deviation(streams: Streams) -> Sweep:
    """River's StandardAbsoluteDeviation: deviations from the running median."""
    for width, counts in _counts(streams):
        scores = np.zeros(counts.shape, np.float32)
        for user, row in enumerate(counts.tolist()):
            detector = StandardAbsoluteDeviation(sub_stat=Quantile(0.5))
            score, learn = detector.score_one, detector.learn_one
            learn(None, row[0])
            for minute, count in enumerate(row[1:], 1):
                scores[user, minute] = score(None, count)
                learn(None, count)
        for limit in (4.0, 6.0, 8.0, 12.0, 16.0, 24.0):
            yield f"{limit:g}, of {width} min", _alerts((scores >= limit) & (counts >= LEAST))


def river_page_hinkley(streams: Streams) -> Sweep:
    """River's PageHinkley on the counts of minutes, their variance made even by Anscombe's root."""
    counts = streams.by_minute()
    roots = 2 * np.sqrt(counts + 0.375)
    enough = _within(counts, max(WIDTHS)) >= LEAST
    for threshold in (5.0, 10.0, 20.0):
        hot = np.zeros(counts.shape, np.bool_)
        for user, row in enumerate(roots.tolist()):
            detector = PageHinkley(min_instances=60, delta=0.5, threshold=threshold, alpha=0.999, mode="up")
            for minute, root in enumerate(row):
                detector.update(root)
                hot[user, minute] = detector.drift_detected
        yield f"threshold {threshold:g}", _alerts(hot & enough)


BASELINES: Final = {
    "fixed threshold": fixed,
    "EWMA z-score": ewma,
    "river: absolute deviation": river_deviation,
    "river: Page-Hinkley": river_page_hinkley,
}


def _counts(streams: Streams) -> Iterator[tuple[int, NDArray[np.int32]]]:
    counts = streams.by_minute()
    for width in WIDTHS:
        yield width, _within(counts, width)


def _within(counts: NDArray[np.int32], width: int) -> NDArray[np.int32]:
    """Return the sum over the last `width` minutes up to each."""
    total = np.cumsum(counts, axis=1, dtype=np.int32)
    total[:, width:] -= total[:, :-width].copy()
    return total


def _alerts(hot: NDArray[np.bool_]) -> Alerts:
    """Return where something is hot and was not within the cool-down; found at the minute's end."""
    recently = np.zeros_like(hot)
    seen = _within(hot.astype(np.int32), COOLDOWN)
    recently[:, 1:] = seen[:, :-1] > 0
    user, minute = np.nonzero(hot & ~recently)
    return Alerts(user, EPOCH + (minute + 1.0) * MINUTE)
