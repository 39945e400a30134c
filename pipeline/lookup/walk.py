"""
A walk down the live leaderboard, page by page, that neither skips nor repeats anyone.

A walk has passed everyone who stands above its place. Between two pages users move across that place: who moved up
would be skipped, who moved down would be met again. The stream of changes tells of each move, so the cursor carries,
beside the place, up to which entry moves are accounted for, who was met and now stands ahead, and who is owed.

Where the stream no longer tells (the next page came too late), the walk goes on by its place alone, and says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import xxhash

from pipeline.lookup.stream import START, Page, order

MOVES_READ: Final = 10_000
"""Entries of the stream that one step looks through: more moves than that, and it no longer tells."""
_AHEAD_KEPT: Final = 200
_OWED_KEPT: Final = 50
"""So many fit into a URL; more stand in a cursor's way only where the next page is asked for very late."""
_TOP_USER: Final = "\U0010ffff"
"""Stands above every id among equal scores."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk stands."""

    score: float
    user: str
    """Whom it met last, and at which score: everyone above is passed, and among equals everyone of a greater id."""
    seen: str = START
    """Moves up to this entry of the stream are accounted for."""
    ahead: frozenset[int] = frozenset()
    """Digests of users who were met and have since moved down."""
    owed: tuple[str, ...] = ()
    """Users who moved up past the place before they were met."""
    is_exact: bool = True
    """Whether all moves were told since the walk began."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError("a score is finite")
        order(self.seen)

    def has_passed(self, score: float, user: str) -> bool:
        """Tell whether a user at a score stands above the place, or at it."""
        return score > self.score or (score == self.score and user.encode() >= self.user.encode())


def begin(greatest: float, seen: str) -> Place:
    """Return the place above everyone with at most the greatest score; `seen` is the newest entry of the stream."""
    return Place(greatest, _TOP_USER, seen)


def account(place: Place, page: Page) -> Place:
    """Return a place that accounts for the moves in a page of the stream, which begins behind `place.seen`."""
    is_told = not page.lost and len(page.entries) < MOVES_READ and all(entry.kind != "reset" for entry in page.entries)
    ahead, owed = set(place.ahead), dict.fromkeys(place.owed)
    for entry in page.entries:
        name = digest(entry.user)
        was_met = name in ahead or (entry.was is not None and place.has_passed(entry.was, entry.user))
        was_met = was_met and entry.user not in owed
        if entry.change is None:
            ahead.discard(name)
            owed.pop(entry.user, None)
        elif not place.has_passed(entry.change.score, entry.user):
            owed.pop(entry.user, None)
            if was_met:
                ahead.add(name)
        else:
            ahead.discard(name)
            if not was_met and entry.was is not None:
                owed[entry.user] = None
    is_told = is_told and len(ahead) <= _AHEAD_KEPT and len(owed) <= _OWED_KEPT
    return replace(
        place,
        seen=page.last,
        ahead=frozenset(ahead) if is_told else frozenset(),
        owed=tuple(owed) if is_told else (),
        is_exact=place.is_exact and is_told,
    )


def meet(place: Place, found: Sequence[tuple[str, float]]) -> tuple[list[str], Place]:
    """
    Go on over users who stand next, best first.

    Returns:
        Those met for the first time, and the place behind all of them.
    """
    met = [user for user, _ in found if digest(user) not in place.ahead]
    if not found:
        return met, place
    user, score = found[-1]
    ahead = place.ahead - {digest(user) for user, _ in found}
    return met, replace(place, score=score, user=user, ahead=ahead)


def digest(user: str) -> int:
    """Return 48 bits that stand for a user: short enough for a cursor, and no two users share them in a walk."""
    return xxhash.xxh3_64_intdigest(user.encode()) >> 16
