"""Many short texts in one buffer: what compiled functions read instead of Python objects."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

PADDING: Final = bytes(8)
"""Stands behind the last text, so that eight bytes can be read wherever one may be."""


class Packed:
    """Texts somewhere in a buffer, some of which may be missing."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """
        Point to texts.

        Args:
            text: The buffer; no text reaches into its last eight bytes.
            starts: int64[n], where each begins; -1 for one that is missing.
            ends: int64[n], where each ends; -1 for one that is missing.
        """
        self.text = text
        self.starts = starts
        self.ends = ends

    @classmethod
    def of(cls, texts: Sequence[bytes | None]) -> "Packed":
        """Pack texts."""
        lengths = np.array([0 if text is None else len(text) for text in texts], np.int64)
        ends = np.cumsum(lengths)
        starts = ends - lengths
        if None in texts:
            missing = np.array([text is None for text in texts], np.bool_)
            starts, ends = np.where(missing, -1, starts), np.where(missing, -1, ends)
        return cls(b"".join((*filter(None, texts), PADDING)), starts, ends)

    @property
    def buffer(self) -> NDArray[np.uint8]:
        """The bytes."""
        return np.frombuffer(self.text, np.uint8)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The bytes of each text."""
        return self.ends - self.starts

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.starts)

    def __getitem__(self, i: int) -> bytes | None:
        start = int(self.starts[i])
        return self.text[start : int(self.ends[i])] if start >= 0 else None

    def __iter__(self) -> Iterator[bytes | None]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield self.text[start:end] if start >= 0 else None

    def select(self, places: "NDArray[np.int64] | slice") -> "Packed":
        """Return some of the texts, in the same buffer."""
        return Packed(self.text, self.starts[places], self.ends[places])
