"""The two topics that history is made of: scores as they come, and the log of their hours and days."""

from typing import Final

import msgspec

from pipeline.lookup.history.series import MINUTE_MS
from pipeline.lookup.klout.ids import klout_id
from pipeline.lookup.scripts import Script
from pipeline.lookup.sink.outlet import Outlet, Record, Write, tombstone_user
from schemas import HistoryPoint

_READER: Final = "history/"
"""The sink's other lanes have their own positions in `clout.scores`."""
_PER_CALL: Final = 100
"""Nobody waits for history: Redis is back for readers within 2 ms."""


class _Head(msgspec.Struct, gc=False):
    """What history keeps of a score document."""

    user: str
    score: float
    version: int
    as_of: int


_decode_score = msgspec.json.Decoder(_Head).decode
_decode_point = msgspec.json.Decoder(HistoryPoint).decode


def score_point(record: Record) -> Write:
    """
    Return the point that a record of `clout.scores` is: of several of a user in a minute the newest counts.

    Raises:
        msgspec.DecodeError: The value is no score document, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        return _tombstone(tombstone_user(record), told=1)
    head = _decode_score(record.value)
    return point_write(head.user, head.version, head.as_of, head.score)


def point_write(user: str, version: int | None, as_of: int, score: float) -> Write:
    """Return the point that a score is; version None: a tombstone."""
    if version is None:
        return _tombstone(user, told=1)
    return Write(
        f"{user}\n{as_of // MINUTE_MS}", version, (user, version, as_of, round(score * 100), klout_id(user), 1)
    )


def history_point(record: Record) -> Write:
    """
    Return the point that a record of `clout.history` is.

    Raises:
        msgspec.DecodeError: The value is no point, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        return _tombstone(tombstone_user(record), told=0)
    point = _decode_point(record.value)
    subject, number = f"{point.user}\n{point.time}", klout_id(point.user)
    return Write(subject, point.version, (point.user, point.version, point.time, round(point.score * 100), number, 0))


def _tombstone(user: str, told: int) -> Write:
    return Write(user, None, (user, "", 0, 0, klout_id(user), told))


_APPLY: Final = Script("apply_history", "reach")
SCORE_POINTS: Final = Outlet("scores", score_point, _APPLY, per_call=_PER_CALL, reader=_READER)
HISTORY_POINTS: Final = Outlet("history", history_point, _APPLY, per_call=_PER_CALL, reader=_READER)
