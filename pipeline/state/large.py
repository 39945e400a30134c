"""
Large rows: sliced counters in dense columns, actors in packed samples.

Ring buffers: slice s of a window lies at s mod 12. All rows of a partition share the windows' heads, so a slice that
enters a window is cleared in all rows at once.
"""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.windows import SCALE_WINDOWS, SLICES, WINDOW_NAMES, Windows
from pipeline.state import actors
from pipeline.state.actors import ENTRY, WHOLE
from pipeline.state.events import UNDO, flatten

_N = TypeVar("_N", bound=np.generic)

KINDS_AND_POSTS: Final = 5
_QUARTER: Final = 3


class LargeRows:
    """The dense part of a partition, by a number of its own (`large`)."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.size = 0
        self.heads = [0] * len(WINDOW_NAMES)
        """The newest slice of each window, shared by all rows."""
        self.counts = np.zeros((0, len(WINDOW_NAMES), SLICES, KINDS_AND_POSTS), np.int32)
        self.worth = np.zeros((0, len(SCALE_WINDOWS), SLICES), np.int64)
        self.thresholds = np.zeros((0, SLICES), np.uint64)
        self.samples: list[bytes] = []
        """Packed `ENTRY` records of each row, sorted by slice and digest."""
        self._waiting_rows: list[NDArray[np.int64]] = []
        self._waiting: list[NDArray[np.void]] = []

    def add_rows(self, n: int) -> NDArray[np.int64]:
        """Make room for `n` empty rows and return their numbers."""
        first = self.size
        self.size += n
        if self.size > len(self.counts):
            room = max(64, self.size, len(self.counts) * 3 // 2)
            self.counts = _grown(self.counts, room)
            self.worth = _grown(self.worth, room)
            self.thresholds = _grown(self.thresholds, room)
        self.thresholds[first : self.size] = WHOLE
        self.samples.extend([b""] * n)
        return np.arange(first, self.size)

    def advance(self, as_of: int) -> None:
        """Move the windows on to `as_of` (seconds): slices that enter a window start empty."""
        for window, head in enumerate(self.heads):
            new = self.windows.head(window, as_of)
            if new <= head:
                continue
            entering = np.unique(np.arange(max(head + 1, new - SLICES + 1), new + 1) % SLICES)
            self.counts[: self.size, window, entering] = 0
            if window in SCALE_WINDOWS:
                self.worth[: self.size, SCALE_WINDOWS.index(window), entering] = 0
            if window == _QUARTER:
                self.thresholds[: self.size, entering] = WHOLE
            self.heads[window] = new

    def add(self, large: NDArray[np.int64], events: NDArray[np.void]) -> None:
        """Count events, each in its own slice of every window that it still lies in."""
        sign = np.where(events["flags"] & UNDO, -1, 1).astype(np.int32)
        time = events["time"].astype(np.int64)
        kind = events["kind"].astype(np.int64)
        for window, head in enumerate(self.heads):
            piece = time // self.windows.slice_seconds[window]
            inside = piece > head - SLICES
            where = slice(None) if inside.all() else inside
            rows, pieces = large[where], piece[where] % SLICES
            np.add.at(self.counts[:, window], (rows, pieces, kind[where]), sign[where])
            if window in SCALE_WINDOWS:
                worth = events["worth"][where].astype(np.int64)
                np.add.at(self.worth[:, SCALE_WINDOWS.index(window)], (rows, pieces), worth)
        self._add_actors(large, events)

    def _add_actors(self, large: NDArray[np.int64], events: NDArray[np.void]) -> None:
        width = self.windows.slice_seconds[_QUARTER]
        piece = (events["time"] // np.uint32(width)).astype(np.int64)
        taken = actors.is_engager(events) & (piece > self.heads[_QUARTER] - SLICES)
        below = events["actor"] < self.thresholds[large, piece % SLICES]
        taken &= below | actors.may_be_doubted(events)
        if taken.any():
            places = np.flatnonzero(taken)
            entries = actors.entries_of(events.take(places))
            stays = np.flatnonzero(below[places] | actors.is_doubted(entries))
            self._waiting_rows.append(large[places[stays]])
            self._waiting.append(entries.take(stays))

    def clear(self, large: NDArray[np.int64]) -> None:
        """Leave rows empty."""
        self.counts[large] = 0
        self.worth[large] = 0
        self.thresholds[large] = WHOLE
        for number in large.tolist():
            self.samples[number] = b""

    def settle(self) -> None:
        """Merge the actors that wait into their rows' samples."""
        if not self._waiting:
            return
        rows, back = np.unique(np.concatenate(self._waiting_rows), return_inverse=True)
        waiting = np.concatenate(self._waiting)
        self._waiting_rows, self._waiting = [], []
        held_row, held = flatten([self.samples[row] for row in rows.tolist()], ENTRY)
        row, entries = actors.merge(
            np.concatenate([held_row, back]), np.concatenate([held, waiting]), self.windows.slice_seconds[_QUARTER]
        )
        self._keep_actors(rows, row, entries)

    def _keep_actors(self, rows: NDArray[np.int64], row: NDArray[np.int64], entries: NDArray[np.void]) -> None:
        width = self.windows.slice_seconds[_QUARTER]
        alive = entries["last"].astype(np.int64) // width > self.heads[_QUARTER] - SLICES
        if not alive.all():
            places = np.flatnonzero(alive)
            row, entries = row[places], entries.take(places)
        if len(row):
            stays, full, piece, threshold = actors.truncate(row, entries, width)
            self.thresholds[rows[full], piece % SLICES] = threshold
            if not stays.all():
                places = np.flatnonzero(stays)
                row, entries = row[places], entries.take(places)
        packed = memoryview(entries.tobytes())
        ends = np.searchsorted(row, np.arange(len(rows)), "right") * ENTRY.itemsize
        start = 0
        for number, end in zip(rows.tolist(), ends.tolist(), strict=True):
            self.samples[number] = bytes(packed[start:end])
            start = end

    def restore(
        self,
        large: NDArray[np.int64],
        as_of: NDArray[np.int64],
        counts: NDArray[np.int32],
        worth: NDArray[np.int64],
        thresholds: NDArray[np.uint64],
        samples: list[bytes],
    ) -> None:
        """
        Put back rows as they were at `as_of` (seconds, [n]): only slices that still lie in a window stay.

        A row may have been written before the partition's windows moved on.
        """
        for window, head in enumerate(self.heads):
            then = as_of // self.windows.slice_seconds[window]
            # Ring position -> the newest slice at that position as of then.
            positions = np.arange(SLICES)
            piece = then[:, None] - (then[:, None] - positions) % SLICES
            gone = piece <= head - SLICES
            counts[:, window][gone] = 0
            if window in SCALE_WINDOWS:
                worth[:, SCALE_WINDOWS.index(window)][gone] = 0
            if window == _QUARTER:
                thresholds[gone] = WHOLE
        self.counts[large] = counts
        self.worth[large] = worth
        self.thresholds[large] = thresholds
        for number, sample in zip(large.tolist(), samples, strict=True):
            self.samples[number] = sample

    @property
    def nbytes(self) -> int:
        """Return the memory of the columns and samples."""
        return self.counts.nbytes + self.worth.nbytes + self.thresholds.nbytes + sum(map(len, self.samples))


def _grown(column: NDArray[_N], room: int) -> NDArray[_N]:
    grown = np.zeros((room, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    return grown
