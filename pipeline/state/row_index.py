"""
Which row is whose: user ids to row numbers and back.

An open-addressing hash table over the ids' bytes, which stand one after the other. A dictionary would hold an object
per user, and would need one per event to ask.
"""

from collections.abc import Iterator, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled
from pipeline.state.packed import PADDING, Packed
from pipeline.state.xxh64 import digest_at

_SMALLEST: Final = 1 << 10
_GROWTH: Final = 1.0625
_SEED: Final = np.uint64(2)
_DIGEST: Final = np.uint64(0xFFFF_FFFF)
"""Half of a digest tells ids apart well enough: their bytes are compared, too."""
_COLON: Final = ord(":")


@compiled
def _row_at(
    keys: NDArray[np.uint8],
    start: int,
    length: int,
    digest: np.uint64,
    table: NDArray[np.int32],
    digests: NDArray[np.uint32],
    names: NDArray[np.uint8],
    name_ends: NDArray[np.uint32],
) -> tuple[int, int]:
    """Return the row of an id, -1 if there is none, and the slot where the search ended."""
    mask = len(table) - 1
    slot = int(np.int64(digest & np.uint64(mask)))
    while table[slot] != 0:
        row = int(table[slot]) - 1
        if digests[row] == digest:
            at = int(np.int64(name_ends[row - 1])) if row else 0
            same = int(np.int64(name_ends[row])) - at == length
            j = 0
            while same and j < length:
                same = names[at + j] == keys[start + j]
                j += 1
            if same:
                return row, slot
        slot = (slot + 1) & mask
    return -1, slot


@compiled
def _digest(keys: NDArray[np.uint8], start: int, length: int) -> np.uint64:
    # 0 is a row that was removed.
    return max(digest_at(keys, start, length, _SEED) & _DIGEST, np.uint64(1))


@compiled
def _find(
    keys: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    table: NDArray[np.int32],
    digests: NDArray[np.uint32],
    names: NDArray[np.uint8],
    name_ends: NDArray[np.uint32],
    found: NDArray[np.int64],
) -> int:
    """Find the row of each id, -1 where there is none; return how many bytes these have."""
    unknown = 0
    for i in range(len(ends)):
        length = ends[i] - starts[i]
        digest = _digest(keys, starts[i], length)
        found[i], _ = _row_at(keys, starts[i], length, digest, table, digests, names, name_ends)
        if found[i] < 0:
            unknown += length
    return unknown


@compiled
def _add(
    keys: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    table: NDArray[np.int32],
    digests: NDArray[np.uint32],
    names: NDArray[np.uint8],
    name_ends: NDArray[np.uint32],
    found: NDArray[np.int64],
    n: int,
) -> int:
    """Number the ids that have no row yet, from n on, and return how many have one then: there is room for all."""
    used = int(np.int64(name_ends[n - 1])) if n else 0
    for i in range(len(ends)):
        if found[i] >= 0:
            continue
        length = ends[i] - starts[i]
        digest = _digest(keys, starts[i], length)
        # The same id may have come before.
        row, slot = _row_at(keys, starts[i], length, digest, table, digests, names, name_ends)
        if row < 0:
            row = n
            n += 1
            for j in range(length):
                names[used + j] = keys[starts[i] + j]
            used += length
            digests[row], name_ends[row], table[slot] = digest, used, row + 1
        found[i] = row
    return n


@compiled
def _fill(table: NDArray[np.int32], digests: NDArray[np.uint32], n: int) -> None:
    mask = len(table) - 1
    for row in range(n):
        if digests[row] == 0:
            continue
        slot = int(np.int64(digests[row]) & mask)
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = row + 1


@compiled
def _network_digests(
    names: NDArray[np.uint8], name_ends: NDArray[np.uint32], first: int, out: NDArray[np.uint64]
) -> None:
    for i in range(len(out)):
        row = first + i
        start, end = int(np.int64(name_ends[row - 1])) if row else 0, int(np.int64(name_ends[row]))
        length = 0
        while start + length < end and names[start + length] != _COLON:
            length += 1
        out[i] = digest_at(names, start, length, np.uint64(0))


class RowIndex:
    """The rows of one partition, numbered as they came."""

    def __init__(self) -> None:
        self._n = 0
        self._table = np.zeros(_SMALLEST, np.int32)
        """A row's number plus 1; 0 is free."""
        self._digests = np.zeros(0, np.uint32)
        self._ends = np.zeros(0, np.uint32)
        self._names = np.zeros(_SMALLEST, np.uint8)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n

    @property
    def nbytes(self) -> int:
        """Return the memory of the index and the ids."""
        return self._table.nbytes + self._digests.nbytes + self._ends.nbytes + self._names.nbytes

    def find(self, keys: Packed) -> NDArray[np.int64]:
        """Return the row of each id, [n]; -1 where there is none."""
        return self._find(keys)[0]

    def add(self, keys: Packed) -> NDArray[np.int64]:
        """Return the row of each id, [n]; those that have none are numbered as they come."""
        found, size = self._find(keys)
        unknown = int(np.count_nonzero(found < 0))
        if unknown:
            self._make_room(unknown, size)
            columns = (self._table, self._digests, self._names, self._ends)
            self._n = _add(keys.buffer, keys.starts, keys.ends, *columns, found, self._n)
        return found

    def _find(self, keys: Packed) -> tuple[NDArray[np.int64], int]:
        found = np.empty(len(keys), np.int64)
        columns = (self._table, self._digests, self._names, self._ends)
        return found, _find(keys.buffer, keys.starts, keys.ends, *columns, found)

    def _make_room(self, rows: int, size: int) -> None:
        """Have room for so many more rows, and bytes of their ids."""
        rows += self._n
        size += self._used + len(PADDING)
        # Arrays grow in place, by little: what they have too much of is resident.
        if rows > len(self._digests):
            room = max(_SMALLEST, rows, int(len(self._digests) * _GROWTH))
            self._digests.resize(room, refcheck=False)
            self._ends.resize(room, refcheck=False)
        if size > len(self._names):
            self._names.resize(max(size, int(len(self._names) * _GROWTH)), refcheck=False)
        if 2 * rows > len(self._table):
            self._table = np.zeros(_power(2 * rows), np.int32)
            _fill(self._table, self._digests, self._n)

    @property
    def _used(self) -> int:
        return int(self._ends[self._n - 1]) if self._n else 0

    def network_digests(self, first: int) -> NDArray[np.uint64]:
        """Return the digests of the networks in the ids of row `first` and all after it."""
        out = np.empty(self._n - first, np.uint64)
        _network_digests(self._names, self._ends, first, out)
        return out

    def remove(self, row: int) -> None:
        """Forget a row's id: the row has none from now on, and its number goes to nobody else."""
        start = int(self._ends[row - 1]) if row else 0
        self._names[start : self._ends[row]] = 0
        self._digests[row] = 0

    def get(self, key: bytes) -> int | None:
        """Return the row of an id."""
        row = int(self.find(Packed.of([key]))[0])
        return row if row >= 0 else None

    def __getitem__(self, key: bytes) -> int:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def is_named(self) -> NDArray[np.bool_]:
        """Return which rows have an id, bool[rows]: all that were not removed."""
        named: NDArray[np.bool_] = self._digests[: self._n] != 0
        return named

    def name(self, row: int) -> bytes:
        """Return the id of a row; b"" if it was removed."""
        if not self._digests[row]:
            return b""
        start = int(self._ends[row - 1]) if row else 0
        return self._names[start : self._ends[row]].tobytes()

    def names(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the ids of rows; b"" for those that were removed."""
        ends = self._ends[rows]
        starts = np.where(self._digests[rows] == 0, ends, np.where(rows > 0, self._ends[rows - 1], np.uint32(0)))
        view = self._names.data
        return [bytes(view[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class RowNames(Sequence[bytes]):
    """The ids of an index by row, as a sequence."""

    def __init__(self, index: RowIndex) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> list[bytes]: ...
    def __getitem__(self, row: int | slice) -> bytes | list[bytes]:
        if isinstance(row, slice):
            return self._index.names(np.arange(*row.indices(len(self))))
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self._index.name(row)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._index.names(np.arange(len(self))))


def _power(n: int) -> int:
    """Return the least power of two that is not below n."""
    return 1 << (n - 1).bit_length()
