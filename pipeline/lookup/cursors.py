"""Cursors: places in a listing as opaque text, which only the same listing reads again."""

import base64
import binascii
from typing import Generic, TypeVar

import msgspec
import xxhash

T = TypeVar("T")


class CursorCodec(Generic[T]):
    """
    Writes and reads the places of one listing.

    Args:
        kind: The type of a place.
        listing: What is listed, filters included: a cursor of another listing is refused.
    """

    def __init__(self, kind: type[T], *listing: object) -> None:
        self._kind = kind
        self._listing = xxhash.xxh3_64_digest(repr(listing).encode())

    def encode(self, place: T) -> str:
        """Return a place as text for a URL."""
        return base64.urlsafe_b64encode(self._listing + msgspec.msgpack.encode(place)).decode().rstrip("=")

    def decode(self, cursor: str) -> T:
        """
        Read what `encode` wrote.

        Raises:
            ValueError: Something else wrote it, or it belongs to another listing.
        """
        try:
            content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if content[:8] != self._listing:
                raise ValueError("it belongs to another listing, or nothing here wrote it")
            return msgspec.msgpack.decode(content[8:], type=self._kind)
        except (binascii.Error, msgspec.DecodeError) as exc:
            raise ValueError("nothing here wrote it") from exc
