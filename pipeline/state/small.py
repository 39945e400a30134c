"""Small rows: what happened, event by event, in slabs."""

import numpy as np
from numpy.typing import NDArray

from pipeline.state.events import EVENT
from pipeline.state.lines import LINES_LIMIT, UNIT, as_units, newest
from pipeline.state.packed import Packed
from pipeline.state.slabs import Slabs


class SmallRows:
    """The events of each small row and its lines of evidence, by the partition's row numbers."""

    def __init__(self) -> None:
        self.events = Slabs(EVENT)
        self.lines = Slabs(UNIT)

    @property
    def nbytes(self) -> int:
        """Return the memory of events and lines."""
        return self.events.nbytes + self.lines.nbytes

    def make_room(self, rows: int) -> None:
        """Have room for that many rows."""
        self.events.make_room(rows)
        self.lines.make_room(rows)

    def add(self, rows: NDArray[np.int64], packed: NDArray[np.void]) -> NDArray[np.int64]:
        """
        Add events, [n] sorted by row.

        Returns:
            The rows that were added to, in order.
        """
        start = _starts(rows)
        touched = rows[start]
        self.events.append(touched, np.diff(start, append=len(rows)), packed)
        return touched

    def add_lines(self, rows: NDArray[np.int64], counts: NDArray[np.int64], units: NDArray[np.void]) -> None:
        """Add lines, [n] sorted by row, of `counts` units each; the oldest lines of crowded rows go."""
        start = _starts(rows)
        touched = rows[start]
        self.lines.append(touched, np.add.reduceat(counts, start), units)
        crowded = touched[self.lines.lengths[touched] > LINES_LIMIT]
        if len(crowded):
            # By half, so that it is done once in many lines.
            kept = [as_units(newest(text, LINES_LIMIT // 2)) for text in self.texts(crowded)]
            self.lines.replace(crowded, np.fromiter(map(len, kept), np.int64, len(kept)), np.concatenate(kept))

    def texts(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the lines of each row."""
        return cut(self.lines.gather(rows).tobytes(), self.lines.lengths[rows] * UNIT.itemsize)

    def packed(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the packed events of each row."""
        return cut(self.events.gather(rows).tobytes(), self.events.lengths[rows] * EVENT.itemsize)

    def replace(self, rows: NDArray[np.int64], packed: Packed, texts: Packed) -> None:
        """Hold other events and lines for rows: [n] each."""
        self.events.replace_texts(rows, packed, b"\0")
        self.lines.replace_texts(rows, texts, b"\n")

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Forget what rows hold."""
        self.events.clear(rows)
        self.lines.clear(rows)


def cut(blob: bytes, lengths: NDArray[np.int32]) -> list[bytes]:
    """Return consecutive pieces of a text."""
    ends = np.cumsum(lengths).tolist()
    return [blob[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _starts(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each row begins in sorted rows."""
    return np.flatnonzero(np.diff(rows, prepend=-1))
