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
        return _tombstone(record)
    head = _decode_score(record.value)
    return _write(head.user, head.version, head.as_of, head.score, head.as_of // MINUTE_MS)


def history_point(record: Record) -> Write:
    """
    Return the point that a record of `clout.history` is.

    Raises:
        msgspec.DecodeError: The value is no point, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        return _tombstone(record)
    point = _decode_point(record.value)
    return _write(point.user, point.version, point.time, point.score, point.time)


def _write(user: str, version: int, time: int, score: float, slot: int) -> Write:
    return Write(f"{user}\n{slot}", version, (user, version, time, round(score * 100), klout_id(user)))


def _tombstone(record: Record) -> Write:
    user = tombstone_user(record)
    return Write(user, None, (user, "", 0, 0, klout_id(user)))


_APPLY: Final = Script("apply_history", "reach")
SCORE_POINTS: Final = Outlet("scores", score_point, _APPLY, per_call=500, reader=_READER)
HISTORY_POINTS: Final = Outlet("history", history_point, _APPLY, per_call=500, reader=_READER)
