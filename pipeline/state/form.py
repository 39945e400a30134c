"""
Many JSON texts of one shape, written from columns: what a Struct's encoder says, without an object per text.

A form is one text with marks in it. What stands between the marks is the same in all texts and only copied.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, put

NULL: Final = np.iinfo(np.int64).min
"""A number that is written as null."""

_MARK: Final = re.compile(rb'"\?(\d+)"|-(\d+)')
_LONGEST_NUMBER: Final = 24
"""Bytes of a number at most, with sign and point; more than those of null, or of the quotes around a text."""

_LONGEST_ESCAPE: Final = 6
"""Bytes at most that one becomes in a string: `\\u001f`."""

_QUOTE, _BACKSLASH, _ZERO, _POINT, _MINUS, _SPACE = b'"\\0.- '
_SHORT: Final = np.zeros(_SPACE, np.uint8)
"""What stands behind the backslash of a control character; 0: its number."""
_SHORT[list(b"\b\t\n\f\r")] = list(b"btnfr")
_U00: Final = np.frombuffer(b"\\u00", np.uint8)
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_WORD_NULL: Final = np.frombuffer(b"null", np.uint8)


def mark(number: int) -> int:
    """Return what stands in a form for one of its numbers, counted from 0."""
    return -1 - number


def text_mark(text: int) -> str:
    """Return what stands in a form for one of its texts, counted from 0."""
    return f"?{text}"


@compiled
def _put_number(number: int, decimals: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a number of so many decimals: without zeros at its end, except the one behind the point."""
    if number == NULL:
        return put(out, at, _WORD_NULL, 0, 4)
    if number < 0:
        out[at] = _MINUS
        at += 1
        number = -number
    dropped = 0
    while dropped < decimals - 1 and number % 10 == 0:
        number //= 10
        dropped += 1
    behind = decimals - dropped
    digits, rest = 1, number // 10
    while rest or digits <= behind:
        rest //= 10
        digits += 1
    end = at + digits + (1 if decimals else 0)
    for i in range(end - 1, at - 1, -1):
        if behind and i == end - 1 - behind:
            out[i] = _POINT
        else:
            out[i] = _ZERO + number % 10
            number //= 10
    return end


@compiled
def _put_text(buffer: NDArray[np.uint8], start: int, end: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a string; null for one that is missing."""
    if start < 0:
        return put(out, at, _WORD_NULL, 0, 4)
    out[at] = _QUOTE
    at += 1
    for i in range(start, end):
        byte = buffer[i]
        if byte >= _SPACE and byte not in (_QUOTE, _BACKSLASH):
            out[at] = byte
            at += 1
        elif byte >= _SPACE or _SHORT[byte]:
            out[at] = _BACKSLASH
            out[at + 1] = byte if byte >= _SPACE else _SHORT[byte]
            at += 2
        else:
            at = put(out, at, _U00, 0, 4)
            out[at], out[at + 1] = _HEX[byte >> 4], _HEX[byte & 15]
            at += 2
    out[at] = _QUOTE
    return at + 1


@compiled
def _fill(
    pieces: NDArray[np.uint8],
    ends: NDArray[np.int64],
    marks: NDArray[np.int64],
    decimals: NDArray[np.int64],
    numbers: NDArray[np.int64],
    buffer: NDArray[np.uint8],
    text_starts: NDArray[np.int64],
    text_ends: NDArray[np.int64],
    out: NDArray[np.uint8],
    out_ends: NDArray[np.int64],
) -> None:
    at = 0
    for i in range(len(numbers)):
        start = 0
        for j in range(len(ends)):
            at = put(out, at, pieces, start, ends[j])
            start = ends[j]
            if j == len(marks):
                continue
            which = marks[j]
            if which < 0:
                at = _put_number(numbers[i, -1 - which], decimals[-1 - which], out, at)
            else:
                at = _put_text(buffer, text_starts[i, which], text_ends[i, which], out, at)
        out_ends[i] = at


class Form:
    """The shape of many JSON texts."""

    def __init__(self, example: bytes, decimals: Sequence[int]) -> None:
        """
        Read a form.

        Args:
            example: A JSON text with `mark` in the place of each number and `text_mark` in that of each text, wherever
                they stand: once or more often.
            decimals: Of each number; 0 for an integer.
        """
        pieces = _MARK.split(example)[::3]
        marks = [int(text) if text else -int(number) for text, number in _MARK.findall(example)]
        self._pieces = np.frombuffer(b"".join(pieces), np.uint8)
        self._ends = np.cumsum([len(piece) for piece in pieces])
        self._marks = np.array(marks, np.int64)
        self._decimals = np.array(decimals, np.int64)

    def fill(
        self, numbers: NDArray[np.int64], text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[bytes]:
        """
        Return n JSON texts.

        Args:
            numbers: int64[n, numbers], each times ten to the power of its decimals; `NULL` for null.
            text: A buffer of UTF-8 ..
            starts: int64[n, texts] .. where each text begins in it; -1 for null.
            ends: int64[n, texts], where each ends.
        """
        used = self._marks[self._marks >= 0]
        fixed_size = len(self._pieces) + _LONGEST_NUMBER * len(self._marks)
        size = len(numbers) * fixed_size + _LONGEST_ESCAPE * int((ends - starts)[:, used].sum())
        out, out_ends = np.empty(size, np.uint8), np.empty(len(numbers), np.int64)
        columns = (self._decimals, numbers, np.frombuffer(text, np.uint8), starts, ends)
        _fill(self._pieces, self._ends, self._marks, *columns, out, out_ends)
        last = out_ends.tolist()
        view = out.data
        return [bytes(view[start:end]) for start, end in zip([0, *last], last, strict=False)]


def fixed(values: NDArray[np.float64], decimals: int) -> NDArray[np.int64]:
    """Return values times ten to the power of the decimals, rounded as by `np.round`; `NULL` for what is no number."""
    scaled = np.rint(values * 10.0**decimals)
    known = np.isfinite(scaled)
    return scaled.astype(np.int64) if known.all() else np.where(known, scaled, float(NULL)).astype(np.int64)
