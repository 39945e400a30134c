"""
The newest record of each row of a changelog, as bytes.

Most rows go into a snapshot as the changelog has them. Only what the log's end or the passing of time changes must be
decoded: that is a small part, and decoding is what takes long.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.state.codec import HEADER
from pipeline.state.compiled import compiled
from pipeline.state.packed import PADDING, Packed
from pipeline.state.row_index import RowIndex
from pipeline.state.sections import HEAD
from pipeline.state.slabs import Slabs
from pipeline.state.spike_rows import SpikeRows
from pipeline.state.upgrade import upgraded
from pipeline.state.winners import Winners, rows_and_tombstones
from pipeline.state.written import WrittenRows

_WORD: Final = np.dtype([("bytes", "u8")])
_SMALLEST: Final = 1024
_LENGTH_AT: Final = 1
"""Where a section's length stands, after its tag."""


class NewestRows:
    """The rows of one partition: which of them must be decoded, and copies of all others."""

    def __init__(self, committed: NDArray[np.int64]) -> None:
        """Begin without rows; `committed`, int64[sources], is where the group's fold goes on."""
        self._committed = committed
        self._index = RowIndex()
        self._records = Slabs(_WORD)
        self._winners = Winners()
        self._sizes = np.zeros(0, np.int64)
        self._generation = np.zeros(0, np.uint32)
        self._is_wanted = np.zeros(0, np.bool_)
        self.as_of = 0
        """The greatest of the rows' times, Unix ms."""

    def add(self, keys: Packed, values: Packed) -> None:
        """
        Take records in the order of the log; the partition's own are passed over.

        Raises:
            ContractError: What a row's header says is not true.
            UnsupportedVersionError: A newer program wrote it.
        """
        for places, tombstone in rows_and_tombstones(keys, values):
            if len(places):
                self._put(keys.select(places), values.select(places))
            if tombstone is not None:
                self._drop(keys.select(slice(tombstone, tombstone + 1)))

    def _put(self, keys: Packed, values: Packed) -> None:
        written = WrittenRows.of(keys, upgraded(keys, values))
        rows = self._index.add(keys)
        self._make_room()
        places = self._winners.choose(rows, written.headers["generation"], self._generation)
        rows, written = rows[places], written.select(places)
        self._records.replace_texts(rows, written.values, b"\0")
        self._sizes[rows] = written.values.lengths
        self.as_of = max(self.as_of, int(written.headers["as_of"].max(initial=0)))
        is_ahead = (written.headers["positions"] > self._committed).any(axis=1)
        self._is_wanted[rows] = is_ahead | _have_spikes(written)

    def _drop(self, key: Packed) -> None:
        rows = self._index.find(key)
        if rows[0] >= 0:
            self._records.clear(rows)
            self._sizes[rows] = 0
            self._index.remove(int(rows[0]))

    def _make_room(self) -> None:
        rows = len(self._index)
        if rows <= len(self._sizes):
            return
        room = max(_SMALLEST, rows + rows // 2)
        for name in ("_sizes", "_generation", "_is_wanted"):
            column = getattr(self, name)
            grown = np.zeros(room, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)
        self._records.make_room(room)
        self._winners.make_room(room)

    def want(self, keys: Packed) -> None:
        """Note users whose rows the log goes on with: these must be decoded."""
        rows = self._index.find(keys.select(np.flatnonzero(keys.starts >= 0)))
        self._is_wanted[rows[rows >= 0]] = True

    def wanted(self) -> tuple[Packed, Packed]:
        """Return the records that must be decoded, as they are: users and rows."""
        rows = np.flatnonzero(self._is_wanted & (self._sizes > 0))
        buffer, starts = self._gathered(rows)
        values = Packed(buffer.tobytes() + PADDING, starts, starts + self._sizes[rows])
        return Packed.of(self._index.names(rows)), values

    def copies(self, at_once: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield users and rows of all others, so many at once: owed, and of no log and no generation."""
        rest = np.flatnonzero(~self._is_wanted & (self._sizes > 0))
        for first in range(0, len(rest), at_once):
            rows = rest[first : first + at_once]
            buffer, starts = self._gathered(rows)
            window = sliding_window_view(buffer, HEADER.itemsize, writeable=True)
            headers = window[starts].view(HEADER)[:, 0]
            headers["planned"] = headers["generation"] = headers["positions"] = 0
            window[starts] = headers.view(np.uint8).reshape(len(rows), HEADER.itemsize)
            text, ends = buffer.tobytes(), starts + self._sizes[rows]
            spans = zip(self._index.names(rows), starts.tolist(), ends.tolist(), strict=True)
            yield [(user, text[start:end]) for user, start, end in spans]

    def _gathered(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the bytes of rows, and where each begins."""
        lengths = self._records.lengths[rows].astype(np.int64) * _WORD.itemsize
        return self._records.gather(rows).view(np.uint8), np.cumsum(lengths) - lengths


def _have_spikes(written: WrittenRows) -> NDArray[np.bool_]:
    """Tell which rows are watched for spikes: these change as time passes, without an event."""
    _, _, sections = written.parts()
    out = np.zeros(len(sections), np.bool_)
    _find_section(sections.buffer, sections.starts, sections.ends, SpikeRows.tag, HEAD.size, out)
    return out


@compiled
def _find_section(
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    tag: int,
    head: int,
    out: NDArray[np.bool_],
) -> None:
    """Tell whose sections, [n], have one with a tag; so do those that cannot be read, which decoding tells."""
    for i in range(len(starts)):
        at = starts[i]
        while at < ends[i] and not out[i]:
            out[i] = ends[i] - at < head or buffer[at] == tag
            if not out[i]:
                length = np.int64(0)
                for j in range(head - _LENGTH_AT):
                    length += np.int64(buffer[at + _LENGTH_AT + j]) << (8 * j)
                at += head + length
