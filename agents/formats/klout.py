"""
Klout: its open sample "when to post", tab-separated: user, actor, post, post time, action time (ms), time zone.

The sample says that somebody reacted and not how. A reaction counts as a like, the least that it can have been.
"""

from collections.abc import Sequence
from typing import Final

from agents.bounded import trim
from agents.formats.base import BadLineError
from agents.protocol import Batch
from agents.span import ALWAYS, Span
from schemas import Engagement, Post

_POSTS: Final = 1_000_000
"""Posts remembered, so that each is published once."""


class Klout:
    """Reads the sample: each row is a reaction, and the first of a post also the post."""

    expected = "six columns separated by tabs: user, actor, post, post time (ms), action time (ms), time zone"

    def __init__(self, span: Span = ALWAYS) -> None:
        self._span = span
        self._posts: dict[bytes, None] = {}

    def check(self, line: bytes) -> bool:
        """Tell whether a line is the header or a row."""
        return line.startswith(b"#user_id") or _is_row(line.rstrip(b"\r\n").split(b"\t"))

    def time(self, line: bytes) -> int | None:
        """Return the time of the reaction."""
        row = line.rstrip(b"\r\n").split(b"\t")
        return int(row[4]) if _is_row(row) else None

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read rows; every one must be right."""
        batch = Batch(read=len(lines))
        for offset, line in enumerate(lines):
            row = line.rstrip(b"\r\n").split(b"\t")
            if line.startswith(b"#"):
                batch.skip("header")
            elif not _is_row(row):
                raise BadLineError(offset)
            elif row[0] == row[1]:
                batch.skip("self")
            else:
                self._react(row, batch)
        trim(self._posts, _POSTS)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()

    def _react(self, row: list[bytes], batch: Batch) -> None:
        user, actor, post, posted, acted = (value.decode() for value in row[:5])
        target, obj = f"twitter:{user}", f"twitter:status/{post}"
        time, made = int(acted) + self._span.shift, int(posted) + self._span.shift
        refused = self._span.refuses(time)
        if refused:
            batch.skip(refused)
            return
        if row[2] not in self._posts:
            self._posts[row[2]] = None
            batch.items.append(Post(id=obj, network="twitter", author=target, time=max(0, made), object=obj))
        batch.time = max(time, batch.time or 0)
        batch.items.append(
            Engagement(
                id=f"twitter:reaction/{actor}/{post}/{acted}",
                kind="like",
                network="twitter",
                actor=f"twitter:{actor}",
                target=target,
                time=time,
                object=obj,
            )
        )


def _is_row(row: list[bytes]) -> bool:
    return len(row) == 6 and all(_is_number(value) for value in row[:3]) and row[3].isdigit() and row[4].isdigit()


def _is_number(value: bytes) -> bool:
    return value.removeprefix(b"-").isdigit()
