"""
Slabs: many short runs of records, one for each row, in one array.

A run has room for some more records than it holds. When it is full it moves to a larger one, and what it left is given
to the next row that needs one of that size: the size classes of Bonwick, "The slab allocator" (USENIX 1994), four to
each doubling as in jemalloc, so that a tenth is to spare and not a third. A Python object per row would cost as much
memory again, and would scatter what is decoded next over the whole heap.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, eight_at
from pipeline.state.packed import Packed

_GROWTH: Final = 1.0625
"""The array grows in place (realloc), so by little: what it has too much of is resident."""

_SMALLEST: Final = 1024
_PLACE_BITS: Final = 32
_WORD: Final = 8
_CLASSES: Final = 128
"""Size classes: up to 2^33 records."""


@compiled
def _class_of(length: int) -> int:
    """Return the least size class with room for so many records: one for each length up to 8, then four a doubling."""
    if length <= 4:
        return length
    shift, rest = 0, (length - 1) >> 3
    while rest:
        shift += 1
        rest >>= 1
    return 4 * shift + ((length - 1) >> shift) + 1


@compiled
def _room_of(size_class: int) -> int:
    """Return how many records a run of a size class has room for."""
    if size_class <= 4:
        return size_class
    return (5 + (size_class - 5) % 4) << ((size_class - 5) // 4)


@compiled
def _take(data: NDArray[np.uint64], words: int, free: NDArray[np.int64], size_class: int) -> int:
    """Return where a run begins; -1 if the array is full."""
    start = int(free[size_class]) - 1
    if start >= 0:
        free[size_class] = data[start * words]
        return start
    start = int(free[0])
    end = start + _room_of(size_class)
    if end * words > len(data):
        return -1
    free[0] = end
    return start


@compiled
def _give_back(data: NDArray[np.uint64], words: int, free: NDArray[np.int64], size_class: int, start: int) -> None:
    """Free runs of a class are a list: each holds where the next one is, plus 1."""
    data[start * words] = np.uint64(free[size_class])
    free[size_class] = start + 1


@compiled
def _append(
    data: NDArray[np.uint64],
    words: int,
    free: NDArray[np.int64],
    lengths: NDArray[np.int32],
    starts: NDArray[np.int32],
    rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    records: NDArray[np.uint64],
    first: int,
    at: int,
) -> tuple[int, int]:
    """Add records from the row at place `first` on; return the place where the array was full, and its records'."""
    for i in range(first, len(rows)):
        row, before = rows[i], int(lengths[rows[i]])
        held, needed = _class_of(before), _class_of(before + int(counts[i]))
        if needed != held:
            start = _take(data, words, free, needed)
            if start < 0:
                return i, at
            old = int(starts[row])
            for j in range(before * words):
                data[start * words + j] = data[old * words + j]
            if held:
                _give_back(data, words, free, held, old)
            starts[row] = start
        to = (int(starts[row]) + before) * words
        for j in range(counts[i] * words):
            data[to + j] = records[at + j]
        at += counts[i] * words
        lengths[row] = before + counts[i]
    return len(rows), at


@compiled
def _put(
    data: NDArray[np.uint64],
    words: int,
    free: NDArray[np.int64],
    lengths: NDArray[np.int32],
    starts: NDArray[np.int32],
    rows: NDArray[np.int64],
    buffer: NDArray[np.uint8],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    padding: np.uint64,
    first: int,
) -> int:
    """Hold texts for empty rows from place `first` on; return the place where the array was full."""
    for i in range(first, len(rows)):
        size = ends[i] - begins[i]
        length = (size + words * _WORD - 1) // (words * _WORD)
        if length == 0:
            continue
        start = _take(data, words, free, _class_of(length))
        if start < 0:
            return i
        whole = size // _WORD
        for j in range(whole):
            data[start * words + j] = eight_at(buffer, begins[i] + j * _WORD)
        if whole < length * words:
            rest = np.uint64(8 * (size - whole * _WORD))
            last = eight_at(buffer, begins[i] + whole * _WORD) if rest else np.uint64(0)
            mask = (np.uint64(1) << rest) - np.uint64(1)
            data[start * words + whole] = (last & mask) | (padding & ~mask)
            for j in range(whole + 1, length * words):
                data[start * words + j] = padding
        starts[rows[i]], lengths[rows[i]] = start, length
    return len(rows)


@compiled
def _clear(
    data: NDArray[np.uint64],
    words: int,
    free: NDArray[np.int64],
    lengths: NDArray[np.int32],
    starts: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    for row in rows:
        if lengths[row]:
            _give_back(data, words, free, _class_of(int(lengths[row])), int(starts[row]))
            lengths[row] = 0


@compiled
def _gather(
    data: NDArray[np.uint64],
    words: int,
    lengths: NDArray[np.int32],
    starts: NDArray[np.int32],
    rows: NDArray[np.int64],
    out: NDArray[np.uint64],
) -> None:
    to = 0
    for row in rows:
        at = int(starts[row]) * words
        for j in range(int(lengths[row]) * words):
            out[to + j] = data[at + j]
        to += int(lengths[row]) * words


class Slabs:
    """Runs of records by row; a record has whole words of 8 bytes."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self.dtype = dtype
        self.lengths = np.zeros(0, np.int32)
        """[rows] records of each row."""
        self._starts = np.zeros(0, np.int32)
        self._words = dtype.itemsize // _WORD
        self._data = np.zeros(0, np.uint64)
        # Of each size class where its first free run is, plus 1. None is of class 0: there, where unused room begins.
        self._free = np.zeros(_CLASSES, np.int64)

    @property
    def nbytes(self) -> int:
        """Return the memory of the records and of what tells where they are."""
        return self._data.nbytes + self._starts.nbytes + self.lengths.nbytes

    def make_room(self, rows: int) -> None:
        """Have room for that many rows; new ones are empty."""
        for name in ("lengths", "_starts"):
            grown = np.zeros(rows, np.int32)
            column = getattr(self, name)
            grown[: len(column)] = column
            setattr(self, name, grown)

    def append(self, rows: NDArray[np.int64], counts: NDArray[np.int64], records: NDArray[np.void]) -> None:
        """
        Add records at the ends of rows.

        Args:
            rows: int64[n], without repetition.
            counts: int64[n], how many records of each row follow one another.
            records: [sum of counts] in the order of `rows`.
        """
        words, place, at = records.view(np.uint64), 0, 0
        while True:
            columns = (self._data, self._words, self._free, self.lengths, self._starts)
            place, at = _append(*columns, rows, counts, words, place, at)
            if place == len(rows):
                return
            self._grow(int(self.lengths[rows[place]]) + int(counts[place]))

    def replace(self, rows: NDArray[np.int64], counts: NDArray[np.int64], records: NDArray[np.void]) -> None:
        """Hold other records for rows: as `append`."""
        self.clear(rows)
        self.append(rows, counts, records)

    def replace_texts(self, rows: NDArray[np.int64], texts: Packed, padding: bytes) -> None:
        """
        Hold other records for rows, as they stand in a buffer.

        Args:
            rows: int64[n], without repetition.
            texts: [n] the records of each row; the last one may be incomplete ..
            padding: .. and is filled up with this byte.
        """
        self.clear(rows)
        fill, place = np.uint64(int.from_bytes(padding * _WORD, "little")), 0
        while True:
            columns = (self._data, self._words, self._free, self.lengths, self._starts)
            place = _put(*columns, rows, texts.buffer, texts.starts, texts.ends, fill, place)
            if place == len(rows):
                return
            self._grow(-(-int(texts.ends[place] - texts.starts[place]) // self.dtype.itemsize))

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """Return a copy of the records of rows, one row after the other."""
        out = np.empty(int(self.lengths[rows].sum(dtype=np.int64)) * self._words, np.uint64)
        _gather(self._data, self._words, self.lengths, self._starts, rows, out)
        return out.view(self.dtype)

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Leave rows without records."""
        _clear(self._data, self._words, self._free, self.lengths, self._starts, rows)

    def _grow(self, records: int) -> None:
        """Have room for a run of so many records, and some more."""
        least = int(self._free[0]) + _room_of(_class_of(records))
        # Nothing else refers to the array: `gather` copies.
        self._data.resize(max(_SMALLEST, least, int(self._free[0] * _GROWTH)) * self._words, refcheck=False)


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return starts[0], starts[0] + 1, .., of `counts[0]` numbers, then those of the next."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def sorting(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of rows in their order, equal ones as they stand: a stable argsort, ten times as fast."""
    key: NDArray[np.int64] = rows << _PLACE_BITS | np.arange(len(rows))
    key.sort()
    key &= (1 << _PLACE_BITS) - 1
    return key
