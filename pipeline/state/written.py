"""Rows as they stand in the changelog, many at once: their headers, and where their parts are."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.errors import ContractError
from pipeline.state.codec import HEADER, LARGE, SMALL
from pipeline.state.events import EVENT
from pipeline.state.packed import Packed

_PARTS: Final = ("body", "text", "sections")


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """Rows as they were written, [n]; headers are structured, `HEADER`."""

    keys: Packed
    values: Packed
    headers: NDArray[np.void]

    @classmethod
    def of(cls, keys: Packed, values: Packed) -> "WrittenRows":
        """
        Read the headers of rows of today's version.

        Raises:
            ContractError: What a header says is not true.
        """
        return cls(keys, values, _headers(keys, values))

    def select(self, places: NDArray[np.int64]) -> "WrittenRows":
        """Return some rows."""
        if len(places) == len(self.keys):
            return self
        return WrittenRows(self.keys.select(places), self.values.select(places), self.headers.take(places))

    def parts(self) -> tuple[Packed, Packed, Packed]:
        """Return what follows the headers: bodies, texts and sections."""
        body, text, sections = (self.headers[name].astype(np.int64) for name in _PARTS)
        start = self.values.starts + HEADER.itemsize
        ends = (start + body, start + body + text, start + body + text + sections)
        buffer = self.values.text
        return Packed(buffer, start, ends[0]), Packed(buffer, ends[0], ends[1]), Packed(buffer, ends[1], ends[2])


def _headers(keys: Packed, values: Packed) -> NDArray[np.void]:
    size, lengths = HEADER.itemsize, values.lengths
    for i in np.flatnonzero(lengths < size).tolist():
        raise ContractError(f"the changelog's row {keys[i]!r} is cut off after {lengths[i]} bytes")
    headers = sliding_window_view(values.buffer, size)[values.starts].view(HEADER)[:, 0]
    said = np.full(len(headers), size)
    for name in _PARTS:
        said += headers[name]
    for i in np.flatnonzero(said != lengths).tolist():
        raise ContractError(f"the changelog's row {keys[i]!r} says {said[i]} bytes in its header and has {lengths[i]}")
    for i in np.flatnonzero(headers["tier"] > LARGE).tolist():
        raise ContractError(f"the changelog's row {keys[i]!r} is of tier {headers['tier'][i]}, which was never written")
    for i in np.flatnonzero((headers["tier"] == SMALL) & (headers["body"] % EVENT.itemsize > 0)).tolist():
        raise ContractError(
            f"the changelog's row {keys[i]!r} cannot be read: {headers['body'][i]} bytes of events are no multiple "
            f"of {EVENT.itemsize}"
        )
    return headers
