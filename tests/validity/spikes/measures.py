"""How good alerts are: precision, recall, F1, delay, false alerts, and alerts that repeat a burst."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.validity.spikes.streams import DAY_MINUTES, EPOCH, MINUTE, Ints, Streams

GRACE: Final = 300
"""Seconds after a burst's end in which an alert still means it."""
EARLY: Final = 60
"""A detector that counts by the minute may name the minute in which a burst begins."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Columns of n alerts."""

    user: Ints
    time: NDArray[np.float64]
    """When it was found, seconds."""

    @classmethod
    def none(cls) -> "Alerts":
        """Return no alerts."""
        return cls(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a detector's alerts on one set of streams were worth."""

    bursts: int
    precision: float
    """The share of alerts that lie within a burst."""
    recall: float
    """The share of bursts with an alert."""
    median_delay: float
    """Seconds from a burst's beginning to its first alert."""
    late_delay: float
    """The 90th percentile."""
    false_per_1000: float
    """Alerts outside of every burst, per 1,000 user-days."""
    repeats: float
    """Further alerts per burst that was found."""

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def first_delays(streams: Streams, alerts: Alerts, warm_up: int) -> tuple[NDArray[np.float64], int, int]:
    """Return the seconds to each burst's first alert (nan where it has none), the repeats, and the false alerts."""
    bursts = streams.bursts
    delays = np.full(len(bursts), np.nan)
    repeats = false = 0
    scored = alerts.time >= EPOCH + warm_up * DAY_MINUTES * MINUTE
    for user, time in zip(alerts.user[scored].tolist(), alerts.time[scored].tolist(), strict=True):
        inside = (bursts.user == user) & (time >= bursts.began - EARLY) & (time <= bursts.end + GRACE)
        places = np.flatnonzero(inside)
        if not len(places):
            false += 1
        elif np.isnan(delays[places[0]]):
            delays[places[0]] = max(0.0, time - bursts.began[places[0]])
        else:
            repeats += 1
    return delays, repeats, false


def outcome(streams: Streams, alerts: Alerts, warm_up: int, where: NDArray[np.bool_] | None = None) -> Outcome:
    """Return what alerts after the first `warm_up` days were worth; recall and delay of the bursts `where`."""
    delays, repeats, false = first_delays(streams, alerts, warm_up)
    found = ~np.isnan(delays)
    told = int(found.sum()) + repeats + false
    chosen = np.ones(len(delays), np.bool_) if where is None else where
    waits = delays[chosen & found]
    middle, late = np.quantile(waits, [0.5, 0.9]).tolist() if len(waits) else (np.nan, np.nan)
    return Outcome(
        int(chosen.sum()),
        1 - false / told if told else 0.0,
        float(found[chosen].mean()) if chosen.any() else 0.0,
        middle,
        late,
        1000 * false / (streams.users * (streams.days - warm_up)),
        repeats / max(1, int(found.sum())),
    )
