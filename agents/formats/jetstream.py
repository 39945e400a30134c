"""Jetstream: frames of Bluesky's event stream as recorded, of version 1 or 2, one JSON object a line."""

import msgspec

from agents.bluesky.frames import NotAFrameError, ServerError, decode
from agents.bluesky.records import read
from agents.formats.base import EventLines
from agents.protocol import Item


class Jetstream(EventLines):
    """Turns frames into engagements, posts, profiles and deletions; `agents/bluesky/records.py` says how."""

    expected = 'a Jetstream frame, {"did": .., "time_us": .., "kind": "commit" | "identity" | "account", ..}'

    def time(self, line: bytes) -> int | None:
        """Return the time of a frame."""
        try:
            return decode(line).time_us // 1000
        except (NotAFrameError, ServerError):
            return None

    def read(self, line: bytes) -> tuple[int, list[Item] | str] | None:
        """Read a frame; a line that is none is passed over, as a live stream goes on after one."""
        try:
            frame = decode(line)
            time = frame.time_us // 1000 + self._shift
            return time, read(frame, time)
        except (NotAFrameError, ServerError, msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
