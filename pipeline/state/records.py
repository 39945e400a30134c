"""Records as they come from the log, one fetch of one partition at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.state.packed import Packed
from schemas import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be folded: a dead letter."""

    offset: int
    value: bytes | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Records:
    """
    A run of records of one topic and partition, in columns of equal length.

    The run covers all offsets from `first` to `end`, of which compaction and
    control batches may have taken some.
    """

    first: int
    """The position that this run was fetched from."""
    end: int
    """The position after it."""
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    """Kafka timestamps, Unix ms."""
    keys: Packed
    values: Packed
    scanned: NDArray[np.void] | None = None
    """[n] `scan.SCANNED`, where another thread has read ahead."""

    @classmethod
    def of(
        cls,
        first: int,
        end: int,
        offsets: Sequence[int],
        timestamps: Sequence[int],
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
    ) -> "Records":
        """Return a run of records that are Python objects."""
        columns = (np.array(offsets, np.int64), np.array(timestamps, np.int64))
        return cls(first, end, *columns, Packed.of(keys), Packed.of(values))

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets)

    def pick(self, places: NDArray[np.int64]) -> "Records":
        """Return the run with some of its records."""
        return self._select(self.first, self.end, places)

    def _select(self, first: int, end: int, places: "NDArray[np.int64] | slice") -> "Records":
        scanned = None if self.scanned is None else self.scanned[places]
        columns = (self.offsets[places], self.timestamps[places], self.keys.select(places), self.values.select(places))
        return Records(first, end, *columns, scanned)

    def since(self, position: int) -> "Records":
        """Return the part at `position` and after it."""
        start = int(np.searchsorted(self.offsets, position))
        return self._select(position, self.end, slice(start, None))

    def before(self, position: int) -> "Records":
        """Return the part before `position`."""
        end = int(np.searchsorted(self.offsets, position))
        return self._select(self.first, min(position, self.end), slice(end))

    def refusal(self, place: int, reason: Reason, detail: str) -> Refusal:
        """Refuse a record."""
        return Refusal(int(self.offsets[place]), self.values[place], reason, detail)
