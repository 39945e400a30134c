"""
Lines: who acted on what, as text, for each event of a small row.

A line is padded with newlines to units of 16 bytes, so that numpy can move it; empty lines say nothing. A row keeps its
newest lines, `LINES_LIMIT` units at most: how often an actor engaged its events still count exactly.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.columns import EngagementColumns

FIELD: Final = "\t"
"""Separates actor, object and tags."""

TAG: Final = "\x1f"
"""Separates tags."""

UNIT: Final = np.dtype("V16")
"""What lines are padded to."""

LINES_LIMIT: Final = 128
"""Units of text a row keeps: 2 KiB, some twenty lines."""

_PADS: Final = ["\n" * (-length % UNIT.itemsize) for length in range(UNIT.itemsize)]
_MASK: Final = UNIT.itemsize - 1


def lines_of(columns: EngagementColumns, places: list[int]) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """
    Return the lines of some engagements.

    Returns:
        The units of each line, [n], and all of them, one line after the other.
    """
    actors, objects, tags = columns.actors, columns.objects, columns.tags
    lines = [f"{actors[i]}{FIELD}{objects[i] or ''}{FIELD}{_joined(tags[i])}\n" for i in places]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count(FIELD) != 2 * len(lines):
        # An id that holds a separator must not break the lines.
        lines = [_clean(columns, i) for i in places]
    if text.isascii():
        padded = [line + _PADS[len(line) & _MASK] for line in lines]
        blob = "".join(padded).encode()
        lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    else:
        encoded = [_padded(line.encode()) for line in lines]
        blob = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    return lengths // UNIT.itemsize, np.frombuffer(blob, UNIT)


def as_units(text: bytes) -> NDArray[np.void]:
    """Return lines that were written elsewhere as units."""
    return np.frombuffer(_padded(text), UNIT)


def newest(text: bytes, limit: int) -> bytes:
    """Return the last whole lines of padded text, no more than `limit` units."""
    surplus = len(text) - limit * UNIT.itemsize
    if surplus <= 0:
        return text
    # The unit before a line's first ends with a newline.
    for start in range(surplus, len(text), UNIT.itemsize):
        if text[start - 1] == ord("\n"):
            return text[start:]
    return b""


def read_lines(text: bytes) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the actor, object ("" where the source did not say) and tags of each line."""
    for line in text.decode().split("\n"):
        if line:
            actor, target, tags = line.split(FIELD, 2)
            yield actor, target, tags.split(TAG) if tags else []


def _joined(tags: list[str] | None) -> str:
    return TAG.join(tags) if tags else ""


def _clean(columns: EngagementColumns, i: int) -> str:
    fields = (columns.actors[i], columns.objects[i] or "", _joined(columns.tags[i]))
    return FIELD.join("".join(max(char, " ") if char != TAG else char for char in text) for text in fields) + "\n"


def _padded(text: bytes) -> bytes:
    return text + b"\n" * (-len(text) % UNIT.itemsize)
