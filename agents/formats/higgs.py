"""
Higgs: SNAP's higgs-twitter activity, `actor target unix-seconds RT|MT|RE`.

A retweet is a share, a reply a comment. Every reply also stands there as a mention of the same actor, target and
second: that twin is dropped; a mention without a reply is a comment.
"""

from collections.abc import Sequence
from typing import Final

from agents.formats.base import BadLineError
from agents.protocol import Batch
from agents.span import ALWAYS, Span
from schemas import Engagement, Kind

_KINDS: Final[dict[bytes, Kind]] = {b"RT": "share", b"RE": "comment", b"MT": "comment"}


class Higgs:
    """Reads Higgs rows; rows of one second are decided together, so that a twin is found on either side."""

    expected = "four columns, actor target unix-seconds RT|MT|RE, such as 223789 213163 1341100972 RE"

    def __init__(self, span: Span = ALWAYS) -> None:
        self._span = span
        self._second = b""
        self._rows: list[list[bytes]] = []
        """The rows of the current second."""

    def check(self, line: bytes) -> bool:
        """Tell whether a line is a Higgs row."""
        return _is_row(line.split())

    def time(self, line: bytes) -> int | None:
        """Return the time of a row."""
        row = line.split()
        return int(row[2]) * 1000 if _is_row(row) else None

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read rows; every one must be right: a data set is right or it is another one."""
        batch = Batch()
        for offset, line in enumerate(lines):
            row = line.split()
            if not _is_row(row):
                raise BadLineError(offset)
            if row[2] != self._second:
                self._decide(batch)
                self._second = row[2]
            self._rows.append(row)
        return batch

    def end(self) -> Batch:
        """Decide the rows of the last second."""
        batch = Batch()
        self._decide(batch)
        return batch

    def _decide(self, batch: Batch) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        batch.read += len(rows)
        time = int(self._second) * 1000 + self._span.shift
        refused = self._span.refuses(time)
        if refused:
            batch.skip(refused, len(rows))
            return
        batch.time = time
        replies = {(row[0], row[1]) for row in rows if row[3] == b"RE"}
        for actor, target, _, mark in rows:
            if mark == b"MT" and (actor, target) in replies:
                batch.skip("mention_of_reply")
            elif actor == target:
                batch.skip("self")
            else:
                batch.items.append(_engagement(actor, target, self._second, mark, time))


def _is_row(row: list[bytes]) -> bool:
    return len(row) == 4 and row[0].isdigit() and row[1].isdigit() and row[2].isdigit() and row[3] in _KINDS


def _engagement(actor: bytes, target: bytes, second: bytes, mark: bytes, time: int) -> Engagement:
    who, whom = actor.decode(), target.decode()
    return Engagement(
        # The row itself: a second replay gives the same ids.
        id=f"twitter:{mark.decode()}/{who}/{whom}/{second.decode()}",
        kind=_KINDS[mark],
        network="twitter",
        actor=f"twitter:{who}",
        target=f"twitter:{whom}",
        time=time,
    )
