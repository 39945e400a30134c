"""The course of one row's spike: from its opening through its levels to its end."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import spikes
from pipeline.scoring.spikes import BIN_SECONDS, BINS_AN_HOUR, Evidence, Ints, SpikeConfig
from pipeline.state.watches import HELD

RATE_BINS: Final = 60 // BIN_SECONDS
"""A spike's rate is that of the last minute."""

_CALM_BINS: Final = 60
"""Minutes before a rise that say how busy it had been: five."""
_EXIT: Final = 2.0
"""A rise goes on while something is above so many times the baseline (`spikes.RATIO_HELD` opens it) .."""
_EXIT_BINS: Final = 24
""".. over two minutes .."""
_EXIT_LEAST: Final = 3
""".. and so many engagements."""
_BACK: Final = 0.5
"""A drop is over when this share of the baseline is back over two minutes."""

Status = Literal["open", "grown", "closed"]
Direction = Literal["rise", "drop"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a row's spike. Times are seconds, rates engagements per minute."""

    row: int
    status: Status
    direction: Direction
    began: int
    level: int
    time: int
    rate: float
    baseline: float


class Open(msgspec.Struct, array_like=True, gc=False):
    """A spike under way, as a row's section holds it too. Times are bins."""

    direction: Direction
    began: int
    hot: int
    """The newest bin in which it still went on."""
    level: int

    def change(self, row: int, status: Status, at: int, rate: float, baseline: float) -> Change:
        """Return what is told of it when it reaches a status."""
        began, time = self.began * BIN_SECONDS, at * BIN_SECONDS
        return Change(row, status, self.direction, began, self.level, time, rate, baseline)


class Course:
    """Reads a row's bins on from where its spike stands."""

    def __init__(self, config: SpikeConfig, row: int, spike: Open | None, since: int) -> None:
        self._since = since
        self._config = config
        self._row = row
        self.spike = spike
        self.changes: list[Change] = []

    def follow(
        self, bins: Ints, counts: Ints, rates: NDArray[np.float64], evidence: Evidence, crossed: NDArray[np.bool_]
    ) -> int | None:
        """
        Read m bins.

        Args:
            bins: [m], rising.
            counts: [m]
            rates: [m, 3], the baseline's expected, high and low, engagements per hour.
            evidence: After each bin.
            crossed: [m], where it suffices to open a spike.

        Returns:
            The bin at which a rise ended: what comes after it is not read.
        """
        within = _counts_within(bins, counts, _EXIT_BINS)
        minute = _counts_within(bins, counts, RATE_BINS).tolist()
        expected: list[float] = rates[:, 0].tolist()
        scale = _EXIT_BINS / BINS_AN_HOUR
        if self.spike is not None and self.spike.direction == "drop":
            back = within >= np.maximum(_BACK * rates[:, 0] * scale, _EXIT_LEAST)
            back &= bins > self.spike.began
            if not back.any():
                return None
            place = int(back.argmax())
            self._tell("closed", int(bins[place]), minute[place], expected[place])
            self.spike = None
            return None
        goes_on = (within >= np.maximum(_EXIT * rates[:, 1] * scale, _EXIT_LEAST)).tolist()
        began, sums, opens = evidence.began.tolist(), evidence.sums.tolist(), crossed.tolist()
        for place, at in enumerate(bins.tolist()):
            spike = self.spike
            if spike is None:
                if opens[place] and self._holds(bins, counts, place, began[place], rates[place, 1], sums[place]):
                    level = spikes.level(sums[place], self._config.threshold)
                    self.spike = Open("rise", began[place], at, level)
                    self._tell("open", at, minute[place], expected[place])
                continue
            end = spike.hot + self._config.cooldown
            if at > end:
                self._tell("closed", end, 0, expected[place])
                self.spike = None
                return end
            level = spikes.level(sums[place], self._config.threshold)
            if level > spike.level:
                spike.level = level
                self._tell("grown", at, minute[place], expected[place])
            if goes_on[place] and at > spike.hot:
                spike.hot = at
        return None

    def _holds(self, bins: Ints, counts: Ints, place: int, began: int, high: float, evidence: int) -> bool:
        """Tell whether a rise stands out from the minutes before it, which may be busier than the hour is."""
        since = max(int(bins[place]) - HELD, self._since)
        minutes = began - since - 1
        if minutes < _CALM_BINS:
            return True
        before = int(counts[(bins > since) & (bins < began)].sum())
        rate = before / minutes * BINS_AN_HOUR
        lost = spikes.charged(high, rate, int(bins[place]) - began + 1)
        return evidence - lost >= int(self._config.thresholds(np.array(max(high, rate))))

    def _tell(self, status: Status, at: int, rate: int, expected: float) -> None:
        assert self.spike is not None
        self.changes.append(self.spike.change(self._row, status, at, float(rate), expected / 60))


def _counts_within(bins: Ints, counts: Ints, width: int) -> Ints:
    """Return the engagements in the last `width` bins up to each, [m]."""
    total = np.cumsum(counts)
    first = np.searchsorted(bins, bins - width + 1)
    return total - (total - counts)[first]
