"""
Slabs: many short runs of records, one for each row, in one array.

A run has room for a power of two of records. When it is full it moves to a run of twice the size, and what it left is
given to the next row that needs one of that size: the size classes of Bonwick, "The slab allocator" (USENIX 1994). A
Python object per row would cost as much memory again, and would scatter what is decoded next over the whole heap.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_GROWTH: Final = 1.125
"""The array grows in place (realloc), so by little: what it has too much of is resident."""

_SMALLEST: Final = 1024


class Slabs:
    """Runs of records by row."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self.dtype = dtype
        self.lengths = np.zeros(0, np.int64)
        """[rows] records of each row."""
        self._start = np.zeros(0, np.int64)
        # Structured records are copied field by field, plain bytes at once.
        self._data = np.zeros(0, np.dtype(f"V{dtype.itemsize}"))
        self._end = 0
        self._free: dict[int, list[int]] = {}

    @property
    def nbytes(self) -> int:
        """Return the memory of the records and of what tells where they are."""
        return self._data.nbytes + self._start.nbytes + self.lengths.nbytes

    def make_room(self, rows: int) -> None:
        """Have room for that many rows; new ones are empty."""
        for name in ("lengths", "_start"):
            grown = np.zeros(rows, np.int64)
            column = getattr(self, name)
            grown[: len(column)] = column
            setattr(self, name, grown)

    def append(self, rows: NDArray[np.int64], counts: NDArray[np.int64], records: NDArray[np.void]) -> None:
        """
        Add records at the ends of rows.

        Args:
            rows: int64[n], without repetition.
            counts: int64[n], how many records of each row follow one another, at least 1.
            records: [sum of counts] in the order of `rows`.
        """
        before = self.lengths[rows]
        after = before + counts
        needed = _size_class(after)
        held = np.where(before > 0, _size_class(before), -1)
        moves = np.flatnonzero(needed > held)
        if len(moves):
            self._move(rows[moves], before[moves], held[moves], needed[moves])
        self._data[ranges(self._start[rows] + before, counts)] = records.view(self._data.dtype)
        self.lengths[rows] = after

    def replace(self, rows: NDArray[np.int64], counts: NDArray[np.int64], records: NDArray[np.void]) -> None:
        """Hold other records for rows: as `append`, but a count may be 0."""
        self.clear(rows)
        some = counts > 0
        self.append(rows[some], counts[some], records)

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """Return a copy of the records of rows, one row after the other."""
        return self._data.take(ranges(self._start[rows], self.lengths[rows])).view(self.dtype)

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Leave rows without records."""
        lengths = self.lengths[rows]
        some = lengths > 0
        self._give_back(self._start[rows[some]], _size_class(lengths[some]))
        self.lengths[rows] = 0

    def _move(
        self, rows: NDArray[np.int64], lengths: NDArray[np.int64], held: NDArray[np.int64], needed: NDArray[np.int64]
    ) -> None:
        fresh = np.empty(len(rows), np.int64)
        for size_class in np.unique(needed).tolist():
            where = np.flatnonzero(needed == size_class)
            fresh[where] = self._take(size_class, len(where))
        some = np.flatnonzero(lengths)
        if len(some):
            old = self._start[rows[some]]
            self._data[ranges(fresh[some], lengths[some])] = self._data.take(ranges(old, lengths[some]))
            self._give_back(old, held[some])
        self._start[rows] = fresh

    def _take(self, size_class: int, n: int) -> NDArray[np.int64]:
        free = self._free.get(size_class, [])
        again = free[max(0, len(free) - n) :]
        del free[len(free) - len(again) :]
        first, self._end = self._end, self._end + ((n - len(again)) << size_class)
        if self._end > len(self._data):
            # Nothing else refers to the array: `gather` and `append` copy.
            self._data.resize(max(_SMALLEST, int(self._end * _GROWTH)), refcheck=False)
        return np.concatenate([np.array(again, np.int64), np.arange(first, self._end, 1 << size_class)])

    def _give_back(self, starts: NDArray[np.int64], size_classes: NDArray[np.int64]) -> None:
        for size_class in np.unique(size_classes).tolist():
            self._free.setdefault(size_class, []).extend(starts[size_classes == size_class].tolist())


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return starts[0], starts[0] + 1, .., of `counts[0]` numbers, then those of the next."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def _size_class(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the exponent of the least power of two that is not below each length."""
    exponents: NDArray[np.int64] = np.frexp(np.maximum(lengths - 1, 0))[1].astype(np.int64)
    return exponents
