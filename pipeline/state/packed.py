"""Many short texts in one buffer: what compiled functions read instead of Python objects."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, eight_at

PADDING: Final = bytes(8)
"""Stands behind the last text, so that eight bytes can be read wherever one may be."""


_HIGH: Final = np.uint64(0x8080_8080_8080_8080)


@compiled
def _is_ascii(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], out: NDArray[np.bool_]
) -> None:
    for i in range(len(starts)):
        at, end, seen = starts[i], ends[i], np.uint64(0)
        while at + 8 <= end:
            seen |= eight_at(buffer, at)
            at += 8
        while at < end:
            seen |= np.uint64(buffer[at])
            at += 1
        out[i] = seen & _HIGH == 0


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

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[bytes | None, bytes | None]]) -> tuple["Packed", "Packed"]:
        """Pack keys and values."""
        pairs = list(pairs)
        return cls.of([key for key, _ in pairs]), cls.of([value for _, value in pairs])

    @property
    def buffer(self) -> NDArray[np.uint8]:
        """The bytes."""
        return np.frombuffer(self.text, np.uint8)

    @property
    def columns(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """The buffer, and where texts begin and end: what compiled functions take."""
        return self.buffer, self.starts, self.ends

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

    def is_ascii(self) -> NDArray[np.bool_]:
        """Tell which texts are nothing but ASCII, [n]."""
        out = np.empty(len(self), np.bool_)
        _is_ascii(self.buffer, self.starts, self.ends, out)
        return out

    def select(self, places: "NDArray[np.int64] | slice") -> "Packed":
        """Return some of the texts, in the same buffer."""
        return Packed(self.text, self.starts[places], self.ends[places])
