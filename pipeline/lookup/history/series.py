"""
A user's score over time, as one string in Redis: pure functions.

The string is 8 bytes of version, then 8 bytes for each point, oldest first, all big endian: the event time in ms in
the upper 48 bits, the score in hundredths of a point in the lower 16.
There is a point where the score changed: until the next one it holds.

Only the last point is kept of each minute of the newest 24 h, of each hour of the newest 14 d, of each day of the
newest 400 d, and of all that is older. So a series has 2,200 points at most, and a quiet user's a handful.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

MINUTES_KEPT_MS: Final = DAY_MS
HOURS_KEPT_MS: Final = 14 * DAY_MS
DAYS_KEPT_MS: Final = 400 * DAY_MS
"""As long as `clout.history` keeps them."""

_SCORE_BITS: Final = 16
_SCORE_MASK: Final = (1 << _SCORE_BITS) - 1


class Point(NamedTuple):
    """A score and the event time since when it holds, Unix ms."""

    time: int
    score: float


@dataclass(frozen=True, slots=True)
class Changes:
    """How much a score moved within a day, a week and a month; None where the history does not reach back."""

    day: float | None
    week: float | None
    month: float | None


UNKNOWN: Final = Changes(None, None, None)


class Series:
    """The points of one user, oldest first."""

    __slots__ = ("points", "version")

    def __init__(self, points: list[Point], version: int = 0) -> None:
        self.points = points
        self.version = version
        """Of the newest document that a point was made of."""

    @classmethod
    def decode(cls, stored: bytes | None) -> "Series":
        """Read a string from Redis; nothing stored is a series without points."""
        if not stored:
            return cls([])
        version, *packed = struct.unpack(f">{len(stored) // 8}Q", stored)
        return cls([Point(entry >> _SCORE_BITS, (entry & _SCORE_MASK) / 100) for entry in packed], version)

    def encode(self) -> bytes:
        """Return the string for Redis."""
        return struct.pack(f">{len(self.points) + 1}Q", self.version, *map(pack_point, self.points))

    def at(self, time: int) -> float | None:
        """Return the score that held at an event time (Unix ms), or None before the first point."""
        place = bisect_right(self.points, (time, float("inf")))
        return self.points[place - 1].score if place else None

    def since(self, time: int) -> list[Point]:
        """Return the points from `time` on, led by the one that held when it began."""
        place = bisect_right(self.points, (time, float("inf")))
        return self.points[max(0, place - 1) :]

    def change(self, days: int, now: int, score: float) -> float | None:
        """Return how much `score` differs from what held `days` before `now` (Unix ms), or None if none is known."""
        before = self.at(now - days * DAY_MS)
        return None if before is None else round(score - before, 2)

    def changes(self, now: int, score: float) -> Changes:
        """Return the changes of `score` up to `now` (Unix ms, event time)."""
        return Changes(self.change(1, now, score), self.change(7, now, score), self.change(30, now, score))


def pack_point(point: Point) -> int:
    """Return a point as it stands in the string."""
    return (point.time << _SCORE_BITS) | round(point.score * 100)


def last_of_each(points: Iterable[Point], slot_ms: int) -> list[Point]:
    """Return the last point of each slot (minute, hour or day, aligned to the epoch, UTC); `points` oldest first."""
    return list({point.time // slot_ms: point for point in points}.values())
