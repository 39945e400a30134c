"""JSON documents of an export: those that are wrong are errors, their entries that are wrong are counted."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from agents.exports.archive import Archive
from agents.exports.source import Entry

T = TypeVar("T")

_BAD = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)


def document(archive: Archive, pattern: str, kind: type[T], expected: str) -> T:
    """
    Return the first document of a name.

    Raises:
        ContractError: There is none, or it is something else.
    """
    for name in archive.names(pattern):
        try:
            return msgspec.json.decode(archive.read(name), type=kind)
        except _BAD as exc:
            raise archive.wrong(name, expected, str(exc)) from exc
    raise archive.lacks(expected)


def listed(archive: Archive, name: str, content: bytes, keys: Sequence[str] = ()) -> list[msgspec.Raw]:
    """
    Return the entries of a list, or of the list under one of `keys` in an object.

    Raises:
        ContractError: There is none.
    """
    expected = " or ".join(["a list", *(f"a list under {key!r}" for key in keys)])
    try:
        found = msgspec.json.decode(content, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
        if isinstance(found, list):
            return found
        for key in keys:
            if key in found:
                return msgspec.json.decode(found[key], type=list[msgspec.Raw])
    except _BAD as exc:
        raise archive.wrong(name, expected, str(exc)) from exc
    raise archive.wrong(name, expected, "there is none")


def entries(found: Sequence[msgspec.Raw], kind: type[T], read: Callable[[T], Entry]) -> Iterator[Entry]:
    """Yield what the entries of a list become; one that is not of its kind is malformed, and the others go on."""
    decode = msgspec.json.Decoder(kind).decode
    for raw in found:
        try:
            entry = decode(raw)
        except _BAD:
            yield None, "malformed"
        else:
            yield read(entry)
