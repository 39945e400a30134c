"""The course of one row's spike: from its opening through its levels to its end."""

from dataclasses import dataclass
from typing import Final, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import spikes
from pipeline.scoring.spikes import BIN_SECONDS, BINS_AN_HOUR, Evidence, Ints, SpikeConfig
from pipeline.state.watches import HELD, Entries

RATE_BINS: Final = 60 // BIN_SECONDS
"""A spike's rate is that of the last minute."""

_CALM_BINS: Final = 60
"""Minutes before a rise that say how busy it had been: five."""
_EXIT: Final = 2.0
"""A rise goes on while something is above so many times the baseline (`spikes.RATIO_HELD` opens it) .."""
_EXIT_BINS: Final = 24
""".. over two minutes .."""
_EXIT_HOURS: Final = _EXIT_BINS / BINS_AN_HOUR
_EXIT_LEAST: Final = 3
""".. and so many engagements."""
_BACK: Final = 0.5
"""A drop is over when this share of the baseline is back over two minutes."""

_BIN_BITS: Final = 40

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

    def merely_lasts(self, config: SpikeConfig, newest: int, kept_up: int, evidence: int) -> bool:
        """
        Tell whether a rise neither ends nor grows by what was read, and if so, note how long it has lasted.

        Args:
            config: The deployment's.
            newest: The newest bin.
            kept_up: The newest bin after which it goes on.
            evidence: The greatest after any bin.
        """
        is_calm = newest <= self.hot + config.cooldown and spikes.level(evidence, config.threshold) <= self.level
        if self.direction == "drop" or not is_calm:
            return False
        self.hot = max(self.hot, kept_up)
        return True

    def change(self, row: int, status: Status, at: int, rate: float, baseline: float) -> Change:
        """Return what is told of it when it reaches a status."""
        began, time = self.began * BIN_SECONDS, at * BIN_SECONDS
        return Change(row, status, self.direction, began, self.level, time, rate, baseline)


@dataclass(frozen=True, slots=True)
class Bins:
    """The bins of one or more rows as a course reads them: columns of m entries, sorted by row and bin."""

    bins: Ints
    counts: Ints
    rates: NDArray[np.float64]
    """[m, 3], the baseline's expected, high and low, engagements per hour."""
    evidence: Evidence
    """After each bin."""
    crossed: NDArray[np.bool_]
    """Where it suffices to open a spike."""
    minute: Ints
    """Engagements in the last minute up to each .."""
    within: Ints
    """.. and in the time that decides whether a spike goes on."""

    @classmethod
    def of(cls, entries: Entries, rates: NDArray[np.float64], evidence: Evidence, crossed: NDArray[np.bool_]) -> Self:
        """Return counted bins with the engagements in the time before each."""
        key, total = entries.watch << _BIN_BITS | entries.bins, np.cumsum(entries.counts)
        before = total - entries.counts
        minute, within = (total - before[np.searchsorted(key, key - width + 1)] for width in (RATE_BINS, _EXIT_BINS))
        return cls(entries.bins, entries.counts, rates, evidence, crossed, minute, within)

    def part(self, where: slice) -> "Bins":
        """Return some of them."""
        evidence = Evidence(self.evidence.sums[where], self.evidence.began[where], self.evidence.counted[where])
        columns = (self.bins[where], self.counts[where], self.rates[where], evidence, self.crossed[where])
        return Bins(*columns, self.minute[where], self.within[where])

    @property
    def keeps_up(self) -> NDArray[np.bool_]:
        """[m], after which bins a rise goes on."""
        least: NDArray[np.bool_] = self.within >= np.maximum(_EXIT * self.rates[:, 1] * _EXIT_HOURS, _EXIT_LEAST)
        return least


class Course:
    """Reads a row's bins on from where its spike stands."""

    def __init__(self, config: SpikeConfig, row: int, spike: Open | None, since: int) -> None:
        self._since = since
        self._config = config
        self._row = row
        self.spike = spike
        self.changes: list[Change] = []

    def follow(self, read: Bins) -> int | None:
        """
        Read a row's bins.

        Returns:
            The bin at which a rise ended: what comes after it is not read.
        """
        minute: list[int] = read.minute.tolist()
        expected: list[float] = read.rates[:, 0].tolist()
        if self.spike is not None and self.spike.direction == "drop":
            back = read.within >= np.maximum(_BACK * read.rates[:, 0] * _EXIT_HOURS, _EXIT_LEAST)
            back &= read.bins > self.spike.began
            if not back.any():
                return None
            place = int(back.argmax())
            self._tell("closed", int(read.bins[place]), minute[place], expected[place])
            self.spike = None
            return None
        began, sums, opens = read.evidence.began.tolist(), read.evidence.sums.tolist(), read.crossed.tolist()
        keeps_up = read.keeps_up.tolist()
        for place, at in enumerate(read.bins.tolist()):
            spike = self.spike
            if spike is None:
                if opens[place] and self._holds(read, place, began[place], sums[place]):
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
            if keeps_up[place] and at > spike.hot:
                spike.hot = at
        return None

    def _holds(self, read: Bins, place: int, began: int, evidence: int) -> bool:
        """Tell whether a rise stands out from the minutes before it, which may be busier than the hour is."""
        bins, high = read.bins, float(read.rates[place, 1])
        since = max(int(bins[place]) - HELD, self._since)
        minutes = began - since - 1
        if minutes < _CALM_BINS:
            return True
        before = int(read.counts[(bins > since) & (bins < began)].sum())
        rate = before / minutes * BINS_AN_HOUR
        lost = spikes.charged(high, rate, int(bins[place]) - began + 1)
        return evidence - lost >= int(self._config.thresholds(np.array(max(high, rate))))

    def _tell(self, status: Status, at: int, rate: int, expected: float) -> None:
        assert self.spike is not None
        self.changes.append(self.spike.change(self._row, status, at, float(rate), expected / 60))
