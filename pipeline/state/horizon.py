"""
Repeated ids, found exactly within a horizon of the log.

An open-addressing hash table: 16 bytes a slot. Ids are kept as 96 bits of their digests: among a million the chance of
one false match is 1e-17.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled

_SMALLEST: Final = 1 << 10
_OFFSET_MASK: Final = np.uint64(0xFFFF_FFFF)
_CHECK_MASK: Final = np.uint64(0xFFFF_FFFF_0000_0000)


@compiled
def _distance(offset: int, entry: np.uint64) -> int:
    """Return how far an entry's offset lies before `offset`; negative if it lies after it."""
    return int(np.int32(np.uint32((np.uint64(offset) - entry) & _OFFSET_MASK)))


@compiled
def _time_at(since: NDArray[np.int64], times: NDArray[np.int64], offset: int) -> int:
    return int(times[max(int(np.searchsorted(since, offset, "right")) - 1, 0)])


@compiled
def _is_recent(
    since: NDArray[np.int64], times: NDArray[np.int64], offset: int, distance: int, seconds: int, max_ids: int
) -> bool:
    now = _time_at(since, times, offset)
    # Before the first step that is kept the time is older than any horizon.
    known = offset - distance >= since[0] or now - times[0] <= seconds
    return known and distance <= max_ids and now - _time_at(since, times, offset - distance) <= seconds


@compiled
def _add(
    table: NDArray[np.uint64],
    high: NDArray[np.uint64],
    low: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    since: NDArray[np.int64],
    times: NDArray[np.int64],
    seconds: int,
    max_ids: int,
    repeated: NDArray[np.bool_],
) -> int:
    """Add ids to the table and tell which are duplicates; return how many are new in it."""
    mask = len(table) - 1
    inserted = 0
    for i in range(len(offsets)):
        # 0 is a free slot; a digest of 0 is stored as 1.
        key = max(high[i], np.uint64(1))
        entry = (low[i] & _CHECK_MASK) | (np.uint64(offsets[i]) & _OFFSET_MASK)
        slot = np.int64(key & np.uint64(mask))
        while table[slot, 0] != 0 and (table[slot, 0] != key or (table[slot, 1] ^ entry) > _OFFSET_MASK):
            slot = (slot + 1) & mask
        if table[slot, 0] == 0:
            table[slot, 0], table[slot, 1] = key, entry
            inserted += 1
            continue
        distance = _distance(offsets[i], table[slot, 1])
        if distance > 0:
            repeated[i] = _is_recent(since, times, offsets[i], distance, seconds, max_ids)
            # The last one decides: the first may stand before all that is read again after a crash.
            table[slot, 1] = entry
    return inserted


@compiled
def _find_live(
    table: NDArray[np.uint64],
    offset: int,
    since: NDArray[np.int64],
    times: NDArray[np.int64],
    seconds: int,
    max_ids: int,
    live: NDArray[np.bool_],
) -> int:
    """Mark the slots whose ids lie within the horizon of a record at `offset`; return how many."""
    count = 0
    for slot in range(len(table)):
        if table[slot, 0] != 0:
            distance = _distance(offset, table[slot, 1])
            live[slot] = _is_recent(since, times, offset, distance, seconds, max_ids)
            count += live[slot]
    return count


@compiled
def _move(old: NDArray[np.uint64], live: NDArray[np.bool_], new: NDArray[np.uint64]) -> None:
    mask = len(new) - 1
    for i in range(len(old)):
        if live[i]:
            slot = np.int64(old[i, 0] & np.uint64(mask))
            while new[slot, 0] != 0:
                slot = (slot + 1) & mask
            new[slot, 0], new[slot, 1] = old[i, 0], old[i, 1]


@dataclass(frozen=True, slots=True)
class HeldIds:
    """Ids apart from the offsets of their log: what a snapshot keeps of a horizon. Columns of equal length."""

    keys: NDArray[np.uint64]
    checks: NDArray[np.uint64]
    """The rest of the digest, in the upper half."""
    distances: NDArray[np.int64]
    """How far before a position each stood, 1 at least."""
    steps: NDArray[np.int64]
    """[2, k] event time: from so far before the position on (negative), so many seconds."""

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "HeldIds":
        """Return some of the ids."""
        return HeldIds(self.keys[chosen], self.checks[chosen], self.distances[chosen], self.steps)

    @staticmethod
    def merged(parts: Sequence["HeldIds"]) -> "HeldIds":
        """Return the ids of several logs that become one: none of them leaves the horizon earlier than it would."""
        steps = np.concatenate([part.steps for part in parts], axis=1)
        steps = steps[:, np.argsort(steps[0], kind="stable")]
        steps[1] = np.maximum.accumulate(steps[1])
        return HeldIds(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.checks for part in parts]),
            np.concatenate([part.distances for part in parts]),
            steps,
        )


class IdHorizon:
    """
    The ids of one topic's partition within the horizon, each with the offset it came with.

    Whether an id is a duplicate depends on the log alone: the same id stands at a lower offset, no more than
    `max_ids` records and `seconds` of event time before. Where batches begin, and what was seen before a
    crash, makes no difference: a record never repeats itself.
    """

    def __init__(self, seconds: int, max_ids: int) -> None:
        self._seconds = seconds
        self._max_ids = max_ids
        self._count = 0
        # Event time in the log, a step a row: from offset [0] on it is [1].
        self._steps = np.zeros((2, 0), np.int64)
        # The digest's first half; then 32 bits of its second half and the offset modulo 2^32.
        self._table = np.zeros((_SMALLEST, 2), np.uint64)

    def __len__(self) -> int:
        """Return the number of ids held, some of them past the horizon."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Return the memory of the table."""
        return self._table.nbytes

    def add(
        self,
        high: NDArray[np.uint64],
        low: NDArray[np.uint64],
        offsets: NDArray[np.int64],
        times: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """
        Add the ids of a batch and tell which of them are duplicates.

        Args:
            high: [n] the first halves of the ids' digests.
            low: [n] the second halves.
            offsets: [n] the records' offsets, ascending.
            times: [n] the greatest event time in the log up to each record, in seconds.

        Returns:
            [n] True where the id stands at a lower offset within the horizon.
        """
        n = len(offsets)
        repeated = np.zeros(n, np.bool_)
        if n == 0:
            return repeated
        self._note_times(offsets, times)
        if (self._count + n) * 2 > len(self._table):
            self._rebuild(n, int(offsets[0]))
        since, steps = self._steps
        # One layout, so that it is compiled for one.
        high, low = np.ascontiguousarray(high), np.ascontiguousarray(low)
        self._count += _add(self._table, high, low, offsets, since, steps, self._seconds, self._max_ids, repeated)
        return repeated

    @property
    def time(self) -> int:
        """Return the greatest event time in the log, in seconds; 0 before the first record."""
        return int(self._steps[1, -1]) if self._steps.shape[1] else 0

    def time_before(self, offset: int) -> int:
        """Return the greatest event time before an offset, in seconds; 0 where that is older than any horizon."""
        place = int(np.searchsorted(self._steps[0], offset)) - 1
        return int(self._steps[1, place]) if place >= 0 else 0

    def take_out(self, position: int) -> HeldIds:
        """Return the ids that a record at `position` or after it may repeat."""
        live = np.zeros(len(self._table), np.bool_)
        since, times = self._steps
        if self._count:
            _find_live(self._table, position, since, times, self._seconds, self._max_ids, live)
        held = self._table[live]
        raw = (np.uint64(position) - held[:, 1]) & _OFFSET_MASK
        distances = raw.astype(np.uint32).view(np.int32).astype(np.int64)
        before = distances > 0
        steps = self._steps - np.array([[position], [0]])
        return HeldIds(held[before, 0], held[before, 1] & _CHECK_MASK, distances[before], steps)

    def put_in(self, held: HeldIds, position: int) -> None:
        """Begin with ids that stood before `position`, which may be before the log itself; nothing was added yet."""
        held = held.select(np.argsort(-held.distances, kind="stable"))
        self._steps = held.steps + np.array([[position], [0]])
        size = _SMALLEST
        while size < 4 * len(held.keys):
            size *= 2
        self._table = np.zeros((size, 2), np.uint64)
        self._count = 0
        if len(held.keys):
            since, times = self._steps
            offsets, repeated = position - held.distances, np.zeros(len(held.keys), np.bool_)
            self._count = _add(
                self._table, held.keys, held.checks, offsets, since, times, self._seconds, self._max_ids, repeated
            )

    def _note_times(self, offsets: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        last = self._steps[1, -1] if self._steps.shape[1] else -1
        if times[-1] <= last:
            return
        rises = np.flatnonzero(np.diff(times, prepend=last) > 0)
        # Only steps within the horizon of the oldest record at hand are ever asked for.
        past = max(0, int(np.searchsorted(self._steps[1], times[0] - self._seconds)) - 1)
        self._steps = np.concatenate([self._steps[:, past:], np.stack([offsets[rises], times[rises]])], axis=1)

    def _rebuild(self, room: int, offset: int) -> None:
        """Leave out what lies past the horizon, and make room."""
        since, steps = self._steps
        old = self._table
        live = np.zeros(len(old), np.bool_)
        self._count = _find_live(old, offset, since, steps, self._seconds, self._max_ids, live)
        size = _SMALLEST
        while size < 4 * (self._count + room):
            size *= 2
        self._table = np.zeros((size, 2), np.uint64)
        _move(old, live, self._table)
