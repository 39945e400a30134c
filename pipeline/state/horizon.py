"""
Repeated ids, found exactly within a horizon of the log.

An open-addressing hash table in numpy columns, probed for a whole batch at a time: 16 bytes a slot.
Ids are kept as 96 bits of their digest (XXH3): among a million the chance of one false match is 1e-17.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SMALLEST: Final = 1 << 10
_OFFSET_MASK: Final = np.uint64(0xFFFF_FFFF)
_CHECK_MASK: Final = ~_OFFSET_MASK


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
        self._allocate(_SMALLEST)

    def _allocate(self, size: int) -> None:
        self._mask = np.uint64(size - 1)
        # 0 is a free slot; a digest of 0 is stored as 1.
        self._key = np.zeros(size, np.uint64)
        # The upper half holds more of the digest, the lower the offset modulo 2^32.
        self._aux = np.zeros(size, np.uint64)

    def __len__(self) -> int:
        """Return the number of ids held, some of them past the horizon."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Return the memory of the table."""
        return self._key.nbytes + self._aux.nbytes

    def add(
        self, digests: NDArray[np.uint64], offsets: NDArray[np.int64], times: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """
        Add the ids of a batch and tell which of them are duplicates.

        Args:
            digests: [n, 2] the ids' digests.
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
        if (self._count + n) * 2 > len(self._key):
            self._rebuild(n, int(offsets[0]))
        key = np.maximum(digests[:, 0], 1)
        aux = (digests[:, 1] & _CHECK_MASK) | (offsets.astype(np.uint64) & _OFFSET_MASK)
        slots, found = self._find_or_insert(key, aux)
        found.sort()
        while len(found):
            at = slots[found]
            distance = _distance(offsets[found], self._aux[at])
            recent = self._recent(offsets[found], distance)
            repeated[found] = (distance > 0) & recent
            expired = found[(distance > 0) & ~recent]
            # The first that comes after the horizon counts again; what repeats it is looked at once more.
            self._aux[slots[expired[::-1]]] = aux[expired[::-1]]
            found = expired
            found = found[_distance(offsets[found], self._aux[slots[found]]) > 0]
        return repeated

    @property
    def time(self) -> int:
        """Return the greatest event time in the log, in seconds; 0 before the first record."""
        return int(self._steps[1, -1]) if self._steps.shape[1] else 0

    def take_out(self, position: int) -> HeldIds:
        """Return the ids that a record at `position` or after it may repeat."""
        used = np.flatnonzero(self._key)
        distances = _distance(np.int64(position), self._aux[used])
        if len(used):
            live = (distances > 0) & self._recent(np.full(len(used), position), distances)
            used, distances = used[live], distances[live]
        steps = self._steps - np.array([[position], [0]])
        return HeldIds(self._key[used], self._aux[used] & _CHECK_MASK, distances, steps)

    def put_in(self, held: HeldIds, position: int) -> None:
        """Begin with ids that stood before `position`, which may be before the log itself; nothing was added yet."""
        held = held.select(np.argsort(-held.distances, kind="stable"))
        self._steps = held.steps + np.array([[position], [0]])
        self._count = 0
        size = _SMALLEST
        while size < 4 * len(held.keys):
            size *= 2
        self._allocate(size)
        offsets = (position - held.distances).astype(np.uint64) & _OFFSET_MASK
        self._find_or_insert(held.keys, held.checks | offsets)

    def _note_times(self, offsets: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        last = self._steps[1, -1] if self._steps.shape[1] else -1
        if times[-1] <= last:
            return
        rises = np.flatnonzero(np.diff(times, prepend=last) > 0)
        # Only steps within the horizon of the oldest record at hand are ever asked for.
        past = max(0, int(np.searchsorted(self._steps[1], times[0] - self._seconds)) - 1)
        self._steps = np.concatenate([self._steps[:, past:], np.stack([offsets[rises], times[rises]])], axis=1)

    def _recent(self, offsets: NDArray[np.int64], distance: NDArray[np.int64]) -> NDArray[np.bool_]:
        since, times = self._steps
        now = times[np.maximum(np.searchsorted(since, offsets, "right") - 1, 0)]
        then = times[np.maximum(np.searchsorted(since, offsets - distance, "right") - 1, 0)]
        # Before the first step kept the time is older than any horizon.
        known = (offsets - distance >= since[0]) | (now - times[0] <= self._seconds)
        recent: NDArray[np.bool_] = known & (distance <= self._max_ids) & (now - then <= self._seconds)
        return recent

    def _rebuild(self, room: int, offset: int) -> None:
        used = self._key != 0
        key, aux = self._key[used], self._aux[used]
        distance = _distance(np.int64(offset), aux)
        live = self._recent(offset - np.zeros_like(distance), distance)
        key, aux = key[live], aux[live]
        size = _SMALLEST
        while size < 6 * (len(key) + room):
            size *= 2
        self._count = 0
        self._allocate(size)
        self._find_or_insert(key, aux)

    def _find_or_insert(
        self, key: NDArray[np.uint64], aux: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        slots = (key & self._mask).astype(np.int64)
        pending = np.arange(len(key))
        found: list[NDArray[np.int64]] = []
        mask = int(self._mask)
        table, check = self._key, self._aux
        at, want, mine = slots, key, aux
        while len(pending):
            free = table[at] == 0
            # Of several new ids for one slot the last write stays: going backwards, that is the lowest offset.
            where = at[free][::-1]
            table[where] = want[free][::-1]
            check[where] = mine[free][::-1]
            held = check[at]
            same = (table[at] == want) & ((held ^ mine) <= _OFFSET_MASK)
            inserted = same & free & (held == mine)
            self._count += int(np.count_nonzero(inserted))
            known = same & ~inserted
            if known.any():
                found.append(pending[known])
            pending = pending[~same]
            at = (slots[pending] + 1) & mask
            slots[pending] = at
            want, mine = key[pending], aux[pending]
        return slots, np.concatenate(found) if found else np.zeros(0, np.int64)


def _distance(offsets: "NDArray[np.int64] | np.int64", aux: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how far the stored offsets lie before `offsets`; negative where they lie after."""
    raw = (np.asarray(offsets).astype(np.uint64) - aux) & _OFFSET_MASK
    return raw.astype(np.uint32).view(np.int32).astype(np.int64)
