"""Jetstream: frames of Bluesky's event stream as recorded, of version 1 or 2, one JSON object a line."""

from collections.abc import Sequence

import msgspec

from agents.bluesky.frames import NotAFrameError, ServerError, decode
from agents.bluesky.records import read
from agents.protocol import Batch


class Jetstream:
    """Turns frames into engagements, posts, profiles and deletions; `agents/bluesky/records.py` says how."""

    expected = 'a Jetstream frame, {"did": .., "time_us": .., "kind": "commit" | "identity" | "account", ..}'

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def check(self, line: bytes) -> bool:
        """Tell whether a line is a frame."""
        return self.time(line) is not None

    def time(self, line: bytes) -> int | None:
        """Return the time of a frame."""
        try:
            return decode(line).time_us // 1000
        except (NotAFrameError, ServerError):
            return None

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read frames; a line that is none is skipped, as a live stream goes on after one."""
        batch = Batch(read=len(lines))
        for line in lines:
            try:
                frame = decode(line)
                time = frame.time_us // 1000 + self._shift
                fate = read(frame, time)
            except (NotAFrameError, ServerError, msgspec.MsgspecError, UnicodeError, RecursionError):
                batch.skip("malformed" if line.strip() else "blank")
                continue
            batch.time = max(time, batch.time or 0)
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                batch.items.extend(fate)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()
