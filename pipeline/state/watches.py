"""
Watches: what a partition remembers of the rows that are engaged with often enough to have a baseline.

A watch counts engagements by the hour for eight days, and by bins of five seconds for the last ten minutes. Both are
counted where they belong, in whatever order they come; what follows from them does not depend on batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import baseline, spikes
from pipeline.scoring.baseline import HOURS
from pipeline.scoring.spikes import BINS_AN_HOUR, Evidence, Ints, Runs

HELD: Final = 120
"""Bins behind a row's newest in which late events still count for spikes: ten minutes."""

REACH_HOURS: Final = 20
"""Hours behind a row's newest whose baseline is still known: the ring holds so many more than a baseline needs."""

_HOURS_RATED: Final = 16
"""Hours whose baseline is kept, once it is computed: as many as one run of events may span, and some."""


_WIDTHS: Final = (1, 2, 4)
"""Bytes that an hour's count takes .."""

_LARGEST: Final = np.array([(1 << 8 * width) - 1 for width in _WIDTHS])
""".. and the greatest that fits."""

_PAIR_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Past:
    """What n rows had before they were watched."""

    per_hour: NDArray[np.float64]
    """[n] engagements an hour, but for the last one."""
    known: Ints
    """[n] hours over which this is known."""
    is_exact: NDArray[np.bool_]
    """[n] whether all of a row's engagements are still there .."""
    place: Ints
    """[m] .. the place of the row of each of them .."""
    time: Ints
    """[m] .. and its time, seconds."""


History = Callable[[Ints], Past]
"""From rows to their past."""


@dataclass(slots=True)
class Entries:
    """Counted bins: columns of m entries, sorted by watch and bin, without repetition."""

    watch: Ints
    bins: Ints
    counts: Ints

    @classmethod
    def none(cls) -> "Entries":
        """Return no entries."""
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty)

    def take(self, where: NDArray[np.bool_]) -> "Entries":
        """Return some of the entries."""
        return Entries(self.watch[where], self.bins[where], self.counts[where])

    def plus(self, other: "Entries") -> "Entries":
        """Return both, counts of the same bin added."""
        key = np.concatenate((self.watch << 40 | self.bins, other.watch << 40 | other.bins))
        if not len(key):
            return self
        # Stable, because that merges what is sorted already.
        order = np.argsort(key, kind="stable")
        key, counts = key[order], np.concatenate((self.counts, other.counts))[order]
        start = np.flatnonzero(np.diff(key, prepend=-1))
        key = key[start]
        return Entries(key >> 40, key & ((1 << 40) - 1), np.add.reduceat(counts, start))


class Watch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A watch as a row's section holds it."""

    head: int
    since: int
    last: int
    quiet: int
    rolled: int
    base: list[int]
    hours: bytes
    """`HOURS` unsigned integers of as few bytes as hold the greatest."""
    bins: bytes
    """Pairs of int64: bin and count."""


class Watches:
    """The watched rows, by a number of their own (`watch`)."""

    def __init__(self) -> None:
        self.size = 0
        self.row = np.zeros(0, np.int64)
        """The row of each watch; -1 where it was let go."""
        self.hours = np.zeros((0, HOURS), np.int32)
        """Engagements by hour of event time, hour h at h mod `HOURS`."""
        self.head = np.zeros(0, np.int64)
        """The newest hour of each ring."""
        self.since = np.zeros(0, np.int64)
        """The hour since when its history is known."""
        self.last = np.zeros(0, np.int64)
        """The newest bin with an engagement."""
        self.base = np.zeros((0, 4), np.int64)
        """The evidence before the entries held: sums, began, counted, and the bin up to which it speaks."""
        self.quiet = np.zeros(0, np.int64)
        """The evidence for a drop at the beginning of the hour `rolled`."""
        self.rolled = np.zeros(0, np.int64)
        self.entries = Entries.none()
        """The last `HELD` bins of each watch."""
        self._rated = np.zeros((0, _HOURS_RATED), np.int32)
        self._rates = np.zeros((0, _HOURS_RATED, 3), np.float32)
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return the number of watched rows."""
        return self.size - len(self._free)

    def add(self, rows: Ints, first: Ints, past: Past) -> Ints:
        """
        Watch rows from now on, and return their numbers.

        Args:
            rows: [n]
            first: [n], the bin at which each begins.
            past: What they had before.
        """
        watch = np.array([self._free.pop() if self._free else self._append() for _ in range(len(rows))], np.int64)
        hour = first // BINS_AN_HOUR
        self.row[watch] = rows
        self.head[watch] = self.rolled[watch] = hour
        self.since[watch] = hour - past.known
        age = (hour[:, None] - np.arange(HOURS)) % HOURS
        was = (age > 0) & (age <= past.known[:, None])
        self.hours[watch] = np.where(was, np.rint(past.per_hour).astype(np.int32)[:, None], 0)
        self.last[watch] = first
        self.quiet[watch] = 0
        self.base[watch] = 0
        self.base[watch, 3] = first - 1
        self._rated[watch] = -1
        return watch

    def _append(self) -> int:
        if self.size == len(self.row):
            room = max(64, self.size * 3 // 2)
            for name in ("row", "hours", "head", "since", "last", "base", "quiet", "rolled", "_rated", "_rates"):
                column = getattr(self, name)
                grown = np.zeros((room, *column.shape[1:]), column.dtype)
                grown[: self.size] = column[: self.size]
                setattr(self, name, grown)
        self.size += 1
        return self.size - 1

    def let_go(self, watch: Ints) -> None:
        """Watch some rows no longer."""
        self.row[watch] = -1
        self._free += watch.tolist()
        self.entries = self.entries.take(~self._is_of(watch))

    def written(self, watch: Ints) -> list[Watch]:
        """Return watches as the changelog holds them."""
        held = self.entries
        spans = [(place * _PAIR_BYTES).tolist() for place in np.searchsorted(held.watch, (watch, watch + 1))]
        pairs = np.stack((held.bins, held.counts), axis=1).tobytes()
        hours = self.hours[watch]
        widest = hours.max(axis=1, initial=0)
        # Of each width the bytes of all rows, as few have wide ones.
        rings = [hours.astype(f"<u{width}").tobytes() for width in _WIDTHS]
        width = np.searchsorted(_LARGEST, widest).tolist()
        columns = [column[watch].tolist() for column in (self.head, self.since, self.last, self.quiet, self.rolled)]
        made = []
        for place, (head, since, last, quiet, rolled, base, first, end) in enumerate(
            zip(*columns, self.base[watch].tolist(), *spans, strict=True)
        ):
            size = _WIDTHS[width[place]] * HOURS
            ring = rings[width[place]][place * size : (place + 1) * size]
            made.append(Watch(head, since, last, quiet, rolled, base, ring, pairs[first:end]))
        return made

    def read(self, row: int, written: Watch) -> int:
        """
        Watch a row as it was written, and return the watch's number.

        Raises:
            ValueError: It cannot be read.
        """
        watch = self._free.pop() if self._free else self._append()
        self.row[watch] = row
        columns = (self.head, self.since, self.last, self.quiet, self.rolled)
        values = (written.head, written.since, written.last, written.quiet, written.rolled)
        for column, value in zip(columns, values, strict=True):
            column[watch] = value
        self.base[watch] = written.base
        self.hours[watch] = np.frombuffer(written.hours, np.dtype(f"u{len(written.hours) // HOURS}"))
        self._rated[watch] = -1
        pairs = np.frombuffer(written.bins, np.int64).reshape(-1, 2)
        self.keep(np.array([watch]), Entries(np.full(len(pairs), watch), pairs[:, 0], pairs[:, 1]))
        return watch

    def count(self, watch: Ints, time: Ints) -> Entries:
        """
        Count events, and return all bins held of the rows that they are of, late and new ones.

        Args:
            watch: [m]
            time: [m], seconds.
        """
        hour, bins = time // 3600, time // spikes.BIN_SECONDS
        touched = np.unique(watch)
        newest = np.zeros(self.size, np.int64)
        np.maximum.at(newest, watch, hour)
        self.advance(touched, newest[touched])
        kept = hour > self.head[watch] - HOURS
        np.add.at(self.hours, (watch[kept], hour[kept] % HOURS), 1)
        np.maximum.at(self.last, watch, bins)
        in_time = bins > self.base[watch, 3]
        fresh = Entries(watch[in_time], bins[in_time], np.ones(int(in_time.sum()), np.int64))
        return self.entries.take(self._is_of(touched)).plus(fresh)

    def advance(self, watch: Ints, hour: Ints) -> None:
        """Move rings on to an hour: the hours that enter them are empty."""
        step = hour - self.head[watch]
        for passed in range(1, min(int(step.max(initial=0)), HOURS) + 1):
            later = step >= passed
            # Of a longer pause the last HOURS matter.
            self.hours[watch[later], (hour[later] - passed + 1) % HOURS] = 0
        self.head[watch] = np.maximum(self.head[watch], hour)

    def rates(self, watch: Ints, hour: Ints) -> NDArray[np.float64]:
        """Return what hours bring by their baseline: expected, high, low, [m, 3]; in the order of watch and hour."""
        key = watch << 32 | hour
        is_first = np.diff(key, prepend=-1) > 0
        watches, hours = watch[is_first], hour[is_first]
        column = hours % _HOURS_RATED
        found = self._rates[watches, column].astype(np.float64)
        stale = np.flatnonzero(self._rated[watches, column] != hours)
        if len(stale):
            asked, at = watches[stale], hours[stale]
            back = self.hours[asked[:, None], (at[:, None] - 1 - np.arange(HOURS - 1)) % HOURS]
            computed = baseline.rates(back, at - self.since[asked])
            # As coarse as it is kept, so that it is the same when it is read again.
            rounded = np.stack((computed.expected, computed.high, computed.low), axis=1).astype(np.float32)
            self._rates[asked, column[stale]] = found[stale] = rounded
            self._rated[asked, column[stale]] = at
        answer: NDArray[np.float64] = found[np.cumsum(is_first) - 1]
        return answer

    def evidence(self, entries: Entries, start: Ints, high: NDArray[np.float64]) -> Evidence:
        """Return the evidence for a rise after each entry; `start` is where each row's begin."""
        base = self.base[entries.watch[start]]
        runs = Runs(start, entries.bins, entries.counts, high)
        return spikes.rises(runs, Evidence(base[:, 0], base[:, 1], base[:, 2]), base[:, 3])

    def hold(self, entries: Entries, start: Ints, evidence: Evidence) -> None:
        """Keep the last bins of rows, and of those before them what they say."""
        end = np.append(start[1:], len(entries.bins)) - 1
        account = np.repeat(np.arange(len(start)), end - start + 1)
        stays = entries.bins > entries.bins[end][account] - HELD
        gone = np.add.reduceat((~stays).astype(np.int64), start)
        some = gone > 0
        at = (start + gone - 1)[some]
        last = evidence.at(at)
        self.base[entries.watch[at]] = np.stack((last.sums, last.began, last.counted, entries.bins[at]), axis=1)
        self.keep(entries.watch[start], entries.take(stays))

    def keep(self, touched: Ints, entries: Entries) -> None:
        """Replace the entries of some rows."""
        self.entries = self.entries.take(~self._is_of(touched)).plus(entries)

    def _is_of(self, watch: Ints) -> NDArray[np.bool_]:
        """Tell which of the entries held are of some watches."""
        marks = np.zeros(self.size, np.bool_)
        marks[watch] = True
        return marks[self.entries.watch]

    def begin_anew(self, watch: int, at: int) -> None:
        """After a spike that ended at a bin, what came before says nothing more."""
        self.entries = self.entries.take((self.entries.watch != watch) | (self.entries.bins > at))
        self.base[watch] = (0, at, 0, at)

    def roll(self, hour: int) -> None:
        """Bring the evidence for drops of all rows to the beginning of an hour."""
        late = np.flatnonzero((self.row[: self.size] >= 0) & (self.rolled[: self.size] < hour))
        # Before two days are known nothing tells a drop from a night.
        known = hour - self.since[late] > baseline.DROP_HOURS
        self.quiet[late[~known]], self.rolled[late[~known]] = 0, hour
        late = late[known]
        if not len(late):
            return
        first = max(int(self.rolled[late].min()), hour - REACH_HOURS)
        span = np.arange(first, hour)
        self.advance(late, np.full(len(late), hour))
        low = self.rates(np.repeat(late, len(span)), np.tile(span, len(late)))[:, 2].reshape(len(late), len(span))
        self.quiet[late[self.rolled[late] < first]] = 0
        for number, at in enumerate(span.tolist()):
            mine = self.rolled[late] <= at
            self._roll_one(late[mine], at, low[mine, number])
        self.rolled[late] = hour

    def _roll_one(self, watch: Ints, at: int, low: NDArray[np.float64]) -> None:
        end = (at + 1) * BINS_AN_HOUR
        whole = np.full(len(watch), BINS_AN_HOUR)
        counted = self.hours[watch, at % HOURS].astype(np.int64)
        left = spikes.heard(self.quiet[watch] + spikes.silence(low, whole), counted)
        last = self.last[watch]
        since = np.where(last >= end - BINS_AN_HOUR, np.clip(end - 1 - last, 0, BINS_AN_HOUR), 0)
        self.quiet[watch] = np.maximum(left, spikes.silence(low, since))

    def silences(self, watch: Ints, clock: int) -> Ints:
        """Return the evidence for a drop as of a bin, within the hour that was rolled to."""
        hour = clock // BINS_AN_HOUR
        low = self.rates(watch, np.full(len(watch), hour))[:, 2]
        begun = np.maximum(hour * BINS_AN_HOUR, self.last[watch])
        quiet = np.where(self.last[watch] < hour * BINS_AN_HOUR, self.quiet[watch], 0)
        return quiet + spikes.silence(low, np.maximum(clock - begun, 0))
