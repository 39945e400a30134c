"""
Lines: who acted on what, as text, for each event of a small row.

Actor, object and tags stand in a line as they stand in JSON: control characters are escaped there, so that a tab
separates fields and a newline lines. A line is padded with newlines to units of 8 bytes, so that numpy can move it;
empty lines say nothing. A row keeps its newest lines, `LINES_LIMIT` units at most: how often an actor engaged, its
events still count exactly.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, put
from pipeline.state.xxh64 import digest_of

UNIT: Final = np.dtype("V8")
"""What lines are padded to."""

LINES_LIMIT: Final = 256
"""Units of text a row keeps: 2 KiB, some twenty lines."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One engagement."""

    actor: str
    digest: int
    """The actor's, as events carry it."""
    target: str
    """The object; "" where the source did not say."""
    tags: list[str]


_TAGS: Final = msgspec.json.Decoder(list[str])
_UNIT_BYTES: Final = UNIT.itemsize
_SEPARATORS: Final = 3
_TAB, _NEWLINE = ord("\t"), ord("\n")


@compiled
def _put_ended(buffer: NDArray[np.uint8], at: int, length: int, out: NDArray[np.uint8], to: int, end: int) -> int:
    to = put(out, to, buffer, at, at + length)
    out[to] = end
    return to + 1


@compiled
def _measure(events: NDArray[np.void], units: NDArray[np.int64]) -> int:
    """Tell how many units the line of each engagement takes, and return those of all."""
    total = 0
    for i in range(len(events)):
        length = events[i]["actor_length"] + events[i]["object_length"] + events[i]["tags_length"] + _SEPARATORS
        units[i] = (length + _UNIT_BYTES - 1) // _UNIT_BYTES
        total += units[i]
    return total


@compiled
def _write(buffer: NDArray[np.uint8], events: NDArray[np.void], out: NDArray[np.uint8]) -> None:
    at = 0
    for i in range(len(events)):
        at = _put_ended(buffer, events[i]["actor_at"], events[i]["actor_length"], out, at, _TAB)
        at = _put_ended(buffer, events[i]["object_at"], events[i]["object_length"], out, at, _TAB)
        at = _put_ended(buffer, events[i]["tags_at"], events[i]["tags_length"], out, at, _NEWLINE)
        while at % _UNIT_BYTES:
            out[at] = _NEWLINE
            at += 1


def lines_of(buffer: NDArray[np.uint8], events: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """
    Return the lines of engagements.

    Args:
        buffer: What they were read from.
        events: [n] `SCANNED`.

    Returns:
        The units of each line, [n], and all of them, one line after the other.
    """
    units = np.empty(len(events), np.int64)
    out = np.empty(_measure(events, units) * _UNIT_BYTES, np.uint8)
    _write(buffer, events, out)
    return units, out.view(UNIT)


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


def read_lines(text: bytes) -> list[Line]:
    """
    Return what lines say.

    Raises:
        ValueError: They are no lines.
    """
    lines = []
    for line in filter(None, text.split(b"\n")):
        actor, target, tags = line.split(b"\t")
        lines.append(Line(unescaped(actor), digest_of(actor), unescaped(target), tags_of(tags)))
    return lines


def unescaped(text: bytes) -> str:
    """Return the string that stands between a JSON string's quotes."""
    return text.decode() if b"\\" not in text else msgspec.json.decode(b'"' + text + b'"', type=str)


def tags_of(text: bytes) -> list[str]:
    """Return the strings that stand between a JSON array's brackets."""
    return _TAGS.decode(b"[" + text + b"]") if text else []


def lines_of_1(text: bytes) -> bytes:
    """Return lines as rows of version 1 held them, not escaped and with other separators, as today's."""
    out = b""
    for line in text.decode().split("\n"):
        if line:
            actor, target, tags = line.split("\t", 2)
            said = (actor, target, tags.split("\x1f") if tags else [])
            out += _padded(b"\t".join(msgspec.json.encode(each)[1:-1] for each in said) + b"\n")
    return out


def _padded(text: bytes) -> bytes:
    return text + b"\n" * (-len(text) % UNIT.itemsize)
