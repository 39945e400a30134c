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
from pipeline.state.packed import Packed
from pipeline.state.xxh64 import digest_at

_SMALLEST: Final = 1 << 10
_SEED: Final = np.uint64(2)


@compiled
def _find(
    keys: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    table: NDArray[np.int32],
    digests: NDArray[np.uint64],
    names: NDArray[np.uint8],
    name_ends: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    mask = len(table) - 1
    for i in range(len(ends)):
        start = starts[i]
        length = ends[i] - start
        digest = max(digest_at(keys, start, length, _SEED), np.uint64(1))
        slot = np.int64(digest & np.uint64(mask))
        found[i] = -1
        while table[slot] != 0:
            row = table[slot] - 1
            if digests[row] == digest:
                at = name_ends[row - 1] if row else 0
                same = name_ends[row] - at == length
                j = 0
                while same and j < length:
                    same = names[at + j] == keys[start + j]
                    j += 1
                if same:
                    found[i] = row
                    break
            slot = (slot + 1) & mask


@compiled
def _insert(table: NDArray[np.int32], digests: NDArray[np.uint64], first: int, end: int) -> None:
    mask = len(table) - 1
    for row in range(first, end):
        if digests[row] == 0:
            continue
        slot = np.int64(digests[row] & np.uint64(mask))
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = row + 1


@compiled
def _digest_all(keys: NDArray[np.uint8], ends: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
    start = 0
    for i in range(len(ends)):
        # 0 is a row that was removed.
        out[i] = max(digest_at(keys, start, ends[i] - start, _SEED), np.uint64(1))
        start = ends[i]


class RowIndex:
    """The rows of one partition, numbered as they came."""

    def __init__(self) -> None:
        self._n = 0
        self._table = np.zeros(_SMALLEST, np.int32)
        """A row's number plus 1; 0 is free."""
        self._digests = np.zeros(0, np.uint64)
        self._ends = np.zeros(0, np.int64)
        self._names = np.zeros(0, np.uint8)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n

    @property
    def nbytes(self) -> int:
        """Return the memory of the index and the ids."""
        return self._table.nbytes + self._digests.nbytes + self._ends.nbytes + self._names.nbytes

    def find(self, keys: Packed) -> NDArray[np.int64]:
        """Return the row of each id, [n]; -1 where there is none."""
        found = np.empty(len(keys.ends), np.int64)
        _find(keys.buffer, keys.starts, keys.ends, self._table, self._digests, self._names, self._ends, found)
        return found

    def add(self, keys: Sequence[bytes]) -> None:
        """Number new ids; none of them may be known, or stand there twice."""
        packed = Packed.of(keys)
        n, used = self._n + len(keys), int(self._ends[self._n - 1]) if self._n else 0
        bytes_used = used + (int(packed.ends[-1]) if len(keys) else 0)
        if n > len(self._digests):
            room = max(_SMALLEST, n, len(self._digests) * 5 // 4)
            self._digests.resize(room, refcheck=False)
            self._ends.resize(room, refcheck=False)
        if bytes_used > len(self._names):
            self._names.resize(max(_SMALLEST, bytes_used * 5 // 4), refcheck=False)
        _digest_all(packed.buffer, packed.ends, self._digests[self._n : n])
        self._ends[self._n : n] = packed.ends + used
        self._names[used:bytes_used] = packed.buffer[: bytes_used - used]
        if 2 * n > len(self._table):
            self._table = np.zeros(4 * len(self._table) if 2 * n <= 4 * len(self._table) else _power(4 * n), np.int32)
            _insert(self._table, self._digests, 0, n)
        else:
            _insert(self._table, self._digests, self._n, n)
        self._n = n

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

    def name(self, row: int) -> bytes:
        """Return the id of a row; b"" if it was removed."""
        if not self._digests[row]:
            return b""
        start = int(self._ends[row - 1]) if row else 0
        return self._names[start : self._ends[row]].tobytes()

    def names(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the ids of rows; b"" for those that were removed."""
        ends = self._ends[rows]
        starts = np.where(self._digests[rows] == 0, ends, np.where(rows > 0, self._ends[rows - 1], 0))
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
