"""
The spikes of a partition's rows: they open, grow, and close, in event time.

Every engagement passes the pace of its row; rows that are fast enough are watched; a watched row whose evidence reaches
the threshold has a spike. The same log gives the same spikes in any batches, as long as its topics come within ten
minutes of each other (`watches.HELD`): what comes later still counts for the baseline.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import spikes
from pipeline.scoring.spikes import BIN_SECONDS, BINS_AN_HOUR, Evidence, Ints, SpikeConfig
from pipeline.state import pace
from pipeline.state.course import RATE_BINS, Bins, Change, Course, Open, Status
from pipeline.state.watches import HELD, Entries, History, Watches

DROP_EVIDENCE: Final = 2.0
"""A drop needs so many times the evidence of a rise: pauses are more common than Poisson would have them."""

WARM: Final = 3
"""From so great a part of the evidence on, a rise is looked at more closely: what it is made of is counted."""

LATE_SECONDS: Final = 600
_NEVER: Final = 1 << 40
_IDLE_SECONDS: Final = 86_400
_STRIDE_SECONDS: Final = 12 * 3600
"""Longer runs are cut, so that no baseline is asked for beyond `watches.REACH_HOURS`."""
_CLOCK_LAG_SECONDS: Final = 3600
"""A kind of engagement that is silent for longer holds up no drop: it may not occur at all."""
_LEAST_HELD: Final = 24
"""A row with fewer engagements in eight days is watched no longer, a day after the last."""


class Spikes:
    """Finds the spikes of one partition."""

    def __init__(self, config: SpikeConfig) -> None:
        self._config = config
        self.watches = Watches()
        self.watch = np.zeros(0, np.int32)
        """The watch of each row, -1 for most."""
        self.empty_at = np.zeros(0, np.uint32)
        """The pace of each row: seconds."""
        self.open: dict[int, Open] = {}
        """By watch."""
        self.warm: dict[int, int] = {}
        """The rows that may be about to spike, or do, and since when (seconds)."""
        self._heard = np.zeros(4, np.int64)
        """The newest second of each kind."""
        self.as_of = 0
        """Seconds."""
        self._clock = 0

    def grow(self, room: int) -> None:
        """Make room for more rows."""
        watch, empty_at = np.full(room, -1, np.int32), np.zeros(room, np.uint32)
        watch[: len(self.watch)], empty_at[: len(self.empty_at)] = self.watch, self.empty_at
        self.watch, self.empty_at = watch, empty_at

    def fold(self, rows: Ints, time: Ints, kind: Ints, as_of: int, history: History) -> list[Change]:
        """
        Take engagements, and tell what they changed.

        Args:
            rows: [m], rising.
            time: [m], seconds.
            kind: [m], 0 to 3.
            as_of: Seconds, the partition's.
            history: Tells what rows had before they were watched.
        """
        np.maximum.at(self._heard, kind, time)
        if not len(rows):
            return self.pass_time(as_of)
        changes: list[Change] = []
        for where in _strides(time):
            self._watch_fast(rows[where], time[where], history)
            watch = self.watch[rows[where]]
            mine = watch >= 0
            if mine.any():
                changes += self._follow(watch[mine].astype(np.int64), time[where][mine])
            changes += self.pass_time(min(as_of, int(time[where].max())))
        return changes + self.pass_time(as_of)

    def _watch_fast(self, rows: Ints, time: Ints, history: History) -> None:
        # Late events say nothing of the pace: of a topic that lags behind, all would seem to come at once.
        fresh = np.flatnonzero((self.watch[rows] < 0) & (time >= self.as_of - LATE_SECONDS))
        if not len(fresh):
            return
        key = np.sort(rows[fresh] << 32 | time[fresh])
        rows, time = key >> 32, key & 0xFFFF_FFFF
        start = np.flatnonzero(np.diff(rows, prepend=-1))
        touched = rows[start]
        before = self.empty_at[touched].astype(np.int64)
        place = np.repeat(np.arange(len(start)), np.diff(start, append=len(rows)))
        self.empty_at[touched], drains = pace.pour(before, place, time)
        full = drains > pace.DEPTH * pace.DRAIN_SECONDS
        if not full.any():
            return
        fast = np.unique(place[full])
        first = time[start[fast]]
        past = history(touched[fast])
        bins = first // BIN_SECONDS
        recent = past.time // BIN_SECONDS > bins[past.place] - HELD
        place, bins_before = past.place[recent], past.time[recent] // BIN_SECONDS
        # What the bucket held is part of the same rush; of when it came not everyone's tier can tell.
        held = np.where(past.is_exact, 0, np.maximum(before[fast] - first, 0) // pace.DRAIN_SECONDS)
        begin = bins.copy()
        np.minimum.at(begin, place, bins_before)
        watch = self.watches.add(touched[fast], begin, past)
        self.watch[touched[fast]] = watch
        exact = Entries(watch[place], bins_before, np.ones(len(place), np.int64))
        some = held > 0
        self.watches.keep(watch, exact.plus(Entries(watch[some], bins[some], held[some])))

    def _follow(self, watch: Ints, time: Ints) -> list[Change]:
        watches = self.watches
        entries = watches.count(watch, time)
        changes: list[Change] = []
        while len(entries.bins):
            start = np.flatnonzero(np.diff(entries.watch, prepend=-1))
            rates = watches.rates(entries.watch, entries.bins // BINS_AN_HOUR)
            evidence = watches.evidence(entries, start, rates[:, 1])
            ended = self._judge(entries, start, rates, evidence, changes)
            watches.hold(entries, start, evidence)
            for number, at in ended.items():
                watches.begin_anew(number, at)
            # What comes after an end is looked at anew.
            end_of = np.full(watches.size, _NEVER)
            end_of[list(ended)] = list(ended.values())
            entries = entries.take(entries.bins > end_of[entries.watch])
        return changes

    def _judge(
        self, entries: Entries, start: Ints, rates: NDArray[np.float64], evidence: Evidence, changes: list[Change]
    ) -> dict[int, int]:
        """Tell what changed, and return the watches whose spikes ended, with the bins at which they did."""
        config = self._config
        crossed = (evidence.sums >= config.thresholds(rates[:, 1])) & (evidence.counted >= config.least)
        numbers = entries.watch[start]
        concerned = np.logical_or.reduceat(crossed, start)
        if self.open:
            concerned |= np.isin(numbers, list(self.open))
        last = np.append(start[1:], len(entries.bins)) - 1
        ended: dict[int, int] = {}
        if concerned.any():
            bins, at = Bins.of(entries, rates, evidence, crossed), np.flatnonzero(concerned)
            kept_up = np.maximum.reduceat(np.where(bins.keeps_up, entries.bins, 0), start)
            greatest, newest = np.maximum.reduceat(evidence.sums, start), entries.bins[last]
            columns = (numbers[at], start[at], last[at], newest[at], kept_up[at], greatest[at])
            for watch, first, end, *noted in zip(*(column.tolist() for column in columns), strict=True):
                spike = self.open.get(watch)
                if spike is not None and spike.merely_lasts(self._config, *noted):
                    continue
                ended_at = self._follow_one(watch, bins.part(slice(first, end + 1)), changes)
                if ended_at is not None:
                    ended[watch] = ended_at
        self._note_warm(numbers, evidence.at(last))
        return ended

    def _follow_one(self, watch: int, bins: Bins, changes: list[Change]) -> int | None:
        """Tell what changed of a watch's spike, and return the bin at which one ended."""
        row, since = int(self.watches.row[watch]), int(self.watches.base[watch, 3])
        course = Course(self._config, row, self.open.get(watch), since)
        ended_at = course.follow(bins)
        changes += course.changes
        if course.spike is not None:
            self.open[watch] = course.spike
        else:
            self.open.pop(watch, None)
        return ended_at

    def _note_warm(self, numbers: Ints, evidence: Evidence) -> None:
        is_warm = evidence.sums * WARM >= self._config.threshold
        columns = (numbers, self.watches.row[numbers], is_warm, evidence.began)
        for watch, row, warm, began in zip(*(column.tolist() for column in columns), strict=True):
            spike = self.open.get(watch)
            if spike is not None and spike.direction == "rise":
                self.warm[row] = spike.began * BIN_SECONDS
            elif warm:
                self.warm[row] = began * BIN_SECONDS
            elif row in self.warm:
                del self.warm[row]

    # -- time

    def pass_time(self, as_of: int) -> list[Change]:
        """End the spikes that nothing kept up, and find who has fallen silent, as of a time in seconds."""
        if as_of <= self.as_of:
            return []
        self.as_of = as_of
        changes = self._end_rises(as_of // BIN_SECONDS)
        heard = self._heard[self._heard > 0]
        clock = max(int(heard.min(initial=as_of)), as_of - _CLOCK_LAG_SECONDS)
        if clock // 60 > self._clock // 60:
            if clock // 3600 > self._clock // 3600:
                self._let_go(clock)
            self._clock = clock
            changes += self._find_drops(clock // BIN_SECONDS)
        return changes

    def _end_rises(self, now: int) -> list[Change]:
        changes = []
        for watch, spike in list(self.open.items()):
            at = spike.hot + self._config.cooldown
            if spike.direction == "drop" or now <= at:
                continue
            held = self.watches.entries
            last_minute = (held.watch == watch) & (held.bins > at - RATE_BINS) & (held.bins <= at)
            rate = int(held.counts[last_minute].sum())
            expected = float(self._rates_at(np.array([watch]), at)[0, 0])
            row = int(self.watches.row[watch])
            changes.append(spike.change(row, "closed", at, float(rate), expected / 60))
            del self.open[watch]
            self.warm.pop(row, None)
            self.watches.begin_anew(watch, at)
        return changes

    def _find_drops(self, now: int) -> list[Change]:
        watches = self.watches
        watches.roll(now // BINS_AN_HOUR)
        watch = np.flatnonzero(watches.row[: watches.size] >= 0)
        if not len(watch):
            return []
        evidence = watches.silences(watch, now)
        threshold = round(DROP_EVIDENCE * self._config.threshold)
        changes = []
        for place in np.flatnonzero(evidence >= threshold).tolist():
            number = int(watch[place])
            level = spikes.level(int(evidence[place]), threshold)
            spike = self.open.get(number)
            if spike is None:
                spike = self.open[number] = Open("drop", int(watches.last[number]), now, level)
                status: Status = "open"
            elif spike.direction == "drop" and level > spike.level:
                spike.level, status = level, "grown"
            else:
                continue
            expected = float(self._rates_at(np.array([number]), now)[0, 0])
            changes.append(spike.change(int(watches.row[number]), status, now, 0.0, expected / 60))
        return changes

    def _rates_at(self, watch: Ints, bins: int) -> NDArray[np.float64]:
        return self.watches.rates(watch, np.full(len(watch), bins // BINS_AN_HOUR))

    def _let_go(self, clock: int) -> None:
        """Watch no longer what has too little engagement for a baseline."""
        watches = self.watches
        idle = (watches.row[: watches.size] >= 0) & (watches.last[: watches.size] * BIN_SECONDS < clock - _IDLE_SECONDS)
        watch = np.flatnonzero(idle)
        few = watch[watches.hours[watch].sum(axis=1) < _LEAST_HELD]
        gone = np.array([number for number in few.tolist() if number not in self.open], np.int64)
        if len(gone):
            self.watch[watches.row[gone]] = -1
            for row in watches.row[gone].tolist():
                self.warm.pop(row, None)
            watches.let_go(gone)


def _strides(time: Ints) -> Iterator[NDArray[np.bool_]]:
    """Cut events into runs of time that baselines reach across."""
    stride = time // _STRIDE_SECONDS
    for number in np.unique(stride):
        yield stride == number
