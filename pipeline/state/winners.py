"""
Which record of a row counts.

Of the records of a row the last of the highest generation does: a worker that had lost the partition may have woken
up and written late.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled
from pipeline.state.packed import Packed

_FIRST_USER: Final = 1
"""No user id begins with a lesser byte: what does is the partition's own."""


def own_records(keys: Packed) -> NDArray[np.bool_]:
    """Tell which records of a changelog are the partition's own and no row's, [n]."""
    found: NDArray[np.bool_] = (keys.lengths == 0) | (keys.buffer[keys.starts] < _FIRST_USER)
    return found


def rows_and_tombstones(keys: Packed, values: Packed) -> Iterator[tuple[NDArray[np.int64], int | None]]:
    """Yield the places of rows that no tombstone comes between, and the place of the tombstone after them, if any."""
    is_own, is_there = own_records(keys), values.starts >= 0
    is_row, first = ~is_own & is_there, 0
    for i in np.flatnonzero(~is_own & ~is_there).tolist():
        yield first + np.flatnonzero(is_row[first:i]), i
        first = i + 1
    yield first + np.flatnonzero(is_row[first:]), None


class Winners:
    """Chooses the record of each row that counts, as records come."""

    def __init__(self) -> None:
        self._seen = 0
        self._last = np.zeros(0, np.int64)
        """[rows] which of all records counts for each row, plus 1."""
        self.overwritten = np.zeros(0, np.bool_)
        """[rows] whose last record is of a lower generation than another."""

    def make_room(self, rows: int) -> None:
        """Have room for that many rows."""
        for name in ("_last", "overwritten"):
            column = getattr(self, name)
            grown = np.zeros(rows, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)

    def choose(
        self, rows: NDArray[np.int64], generation: NDArray[np.uint32], held: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """
        Return the places of the records that count among some more, at most one for each row.

        Args:
            rows: int64[n], of records in the order of the log.
            generation: uint32[n], of their writers.
            held: uint32[rows], the highest generation of each row; raised where there is a higher one.
        """
        first, self._seen = self._seen + 1, self._seen + len(rows)
        _compete(rows, np.ascontiguousarray(generation), first, held, self._last, self.overwritten)
        return np.flatnonzero(self._last[rows] == np.arange(first, self._seen + 1))


@compiled
def _compete(
    rows: NDArray[np.int64],
    generation: NDArray[np.uint32],
    first: int,
    held: NDArray[np.uint32],
    last: NDArray[np.int64],
    overwritten: NDArray[np.bool_],
) -> None:
    """
    Note which record counts: of each row the last of the highest generation.

    Args:
        rows: int64[n], of records in the order of the log.
        generation: uint32[n], of their writers.
        first: The number of the first record.
        held: uint32[rows], the highest generation of each row.
        last: int64[rows], the number of the record that counts.
        overwritten: bool[rows], whether one of a lower generation came after it.
    """
    for i in range(len(rows)):
        row = rows[i]
        overwritten[row] = generation[i] < held[row]
        if not overwritten[row]:
            held[row], last[row] = generation[i], first + i
