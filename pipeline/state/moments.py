"""
Moments: what each of a large row's posts earned within an hour, a day, a week and 90 days. A section of the row.

A row keeps the posts that earned most, found as `evidence.py` finds its items. Of each post there are five counts for
each window: of the quarter of the window's length that is under way, aligned to the epoch, and of the four before it;
what a window that ends now holds is these, of the oldest only the remaining part. The counts of two rows can be added.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.scoring.windows import WINDOW_NAMES, Windows
from pipeline.state.events import is_counted
from pipeline.state.lines import Line

POSTS: Final = 12
"""Posts kept of each row."""

_QUARTERS: Final = 4

Earned = list[float]
"""What a post earned within each window, shortest first."""

_WIDTH: Final = _QUARTERS + 2
"""Numbers kept for each window."""

Counts: TypeAlias = "array[int]"
"""Of a post, window after window: which quarter is under way, then its count and those of the four before it."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(dict[str, bytes])


def timed(lines: list[Line], events: NDArray[np.void]) -> list[tuple[str, int]]:
    """
    Return the posts in a small row's lines, each with the time of its engagement in seconds, the newest first.

    A line says who engaged; of an actor's events the last is the one of their last line.
    """
    times: dict[int, list[int]] = {}
    counted = events[is_counted(events)]
    for digest, time in zip(counted["actor"].tolist(), counted["time"].tolist(), strict=True):
        times.setdefault(digest, []).append(time)
    return [
        (line.target, times[line.digest].pop()) for line in reversed(lines) if times.get(line.digest) and line.target
    ]


def _longest(counts: Counts) -> int:
    """Return what a post earned within the longest window, and what is left of before."""
    return sum(counts[1 - _WIDTH :])


class Moments:
    """The posts of some rows, by row."""

    tag = 3

    def __init__(self, windows: Windows) -> None:
        self._lengths = [windows.length(window) for window in range(len(WINDOW_NAMES))]
        self._widths = [max(1, length // _QUARTERS) for length in self._lengths]
        self._posts: dict[int, dict[str, Counts]] = {}

    def begin(self, row: int, told: Iterable[tuple[str, int]]) -> None:
        """Hold the posts of a row that becomes large, with the times of their engagements in seconds."""
        times: dict[str, list[int]] = {}
        for post, time in told:
            times.setdefault(post, []).append(time)
        most = sorted(times, key=lambda post: len(times[post]), reverse=True)[:POSTS]
        self._posts[row] = {post: self._counts_of(times[post]) for post in most}

    def _counts_of(self, times: list[int]) -> Counts:
        counts = array("i")
        for width in self._widths:
            if len(times) == 1:
                counts.extend((times[0] // width, 1, 0, 0, 0, 0))
                continue
            quarters = [time // width for time in times]
            newest = max(quarters)
            counts.extend((newest, *(quarters.count(newest - back) for back in range(_WIDTH - 1))))
        return counts

    def add(self, row: int, post: str, time: int, weight: int = 1) -> None:
        """
        Count engagement with a post of a row.

        Args:
            row: A large one.
            post: The object of the engagement.
            time: Seconds.
            weight: Engagements that this one stands for.
        """
        posts = self._posts.setdefault(row, {})
        counts = posts.get(post)
        if counts is None:
            if len(posts) >= POSTS and not self._make_room(posts, post, time):
                return
            counts = posts[post] = array("i", [0] * (_WIDTH * len(self._widths)))
        for at, width in zip(range(0, len(counts), _WIDTH), self._widths, strict=True):
            ahead = time // width - counts[at]
            if ahead > 0:
                for place in range(at + _WIDTH - 1, at, -1):
                    counts[place] = counts[place - ahead] if place - ahead > at else 0
                counts[at] += ahead
            if ahead > -_QUARTERS - 1:
                counts[at + 1 - min(ahead, 0)] += weight

    def _make_room(self, posts: dict[str, Counts], post: str, time: int) -> bool:
        """Let the post that earned least go, with a chance of one in what it has in the longest window."""
        floor = min(map(_longest, posts.values()))
        if xxhash.xxh3_64_intdigest(f"{post}{time}".encode()) % (floor + 1):
            return False
        del posts[min(each for each, counts in posts.items() if _longest(counts) == floor)]
        return True

    def earned(self, row: int, as_of: int) -> dict[str, Earned]:
        """Return what the posts of a row earned within each window that ends at `as_of`, seconds."""
        return {post: self._within(counts, as_of) for post, counts in self._posts.get(row, {}).items()}

    def earned_by(self, told: Iterable[tuple[str, int]], as_of: int) -> dict[str, Earned]:
        """Return the same of posts and times of their engagements, all of which are known."""
        posts: dict[str, Earned] = {}
        for post, time in told:
            within = posts.setdefault(post, [0.0] * len(self._lengths))
            for window, length in enumerate(self._lengths):
                within[window] += as_of - time < length
        return posts

    def _within(self, counts: Counts, as_of: int) -> Earned:
        earned = []
        for at, width in zip(range(0, len(counts), _WIDTH), self._widths, strict=True):
            newest, *count = counts[at : at + _WIDTH]
            whole = max(0, _QUARTERS - max(0, as_of // width - newest))
            left = 1.0 - as_of % width / width
            oldest = count[whole] * left if as_of // width - newest <= _QUARTERS else 0.0
            earned.append(sum(count[:whole]) + oldest)
        return earned

    def encode(self, rows: NDArray[np.int64]) -> Iterable[tuple[int, bytes]]:
        """Yield the place in `rows` and the posts of each row that has some."""
        if self._posts:
            for place, row in enumerate(rows.tolist()):
                if row in self._posts:
                    posts = {post: counts.tobytes() for post, counts in self._posts[row].items()}
                    yield place, _ENCODER.encode(posts)

    def restore(self, rows: Sequence[int], parts: Sequence[bytes]) -> None:
        """Hold what `encode` wrote; msgspec's errors are ValueErrors."""
        for row, part in zip(rows, parts, strict=True):
            posts = self._posts[row] = {}
            for post, numbers in _DECODER.decode(part).items():
                if len(numbers) != 4 * _WIDTH * len(self._widths):
                    raise ValueError(f"a post's counts are {len(numbers)} bytes long")
                posts[post] = array("i", numbers)

    def forget(self, rows: Sequence[int]) -> None:
        """Hold no posts of rows."""
        for row in rows if self._posts else ():
            self._posts.pop(row, None)
