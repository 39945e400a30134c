"""A walk meets everyone once, however the scores move while it goes on."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lookup import walk
from pipeline.lookup.stream import Entry, Page, reset
from pipeline.lookup.walk import Place
from schemas import Change

USERS = [f"x:{letter}" for letter in "abcdefghijklmnop"]
scores = st.integers(1, 12).map(float)
moves = st.lists(st.tuples(st.sampled_from(USERS), scores | st.none()), max_size=6)


@dataclass
class Board:
    """A leaderboard with its stream of changes."""

    scores: dict[str, float]
    entries: list[Entry] = field(default_factory=list)

    def move(self, user: str, score: float | None) -> None:
        """Set a score, or delete a user."""
        number = f"{len(self.entries) + 1}-0"
        was = self.scores.get(user)
        if score is None:
            if self.scores.pop(user, None) is not None:
                self.entries.append(Entry(number, "gone", b"{}", user, user))
            return
        self.scores[user] = score
        change = Change(user, user, score, was, "1-9", [], 1, 0, 0)
        self.entries.append(Entry(number, "change", b"{}", user, user, (), change, was))

    def page(self, place: Place, size: int) -> list[tuple[str, float]]:
        """Return who stands next behind a place."""
        standing = sorted(self.scores.items(), key=lambda entry: (entry[1], entry[0].encode()), reverse=True)
        return [(user, score) for user, score in standing if not place.has_passed(score, user)][:size]

    def behind(self, seen: str) -> Page:
        """Return the stream behind an entry."""
        entries = self.entries[int(seen.partition("-")[0]) :]
        return Page(entries, f"{len(self.entries)}-0", lost=False)


def step(board: Board, place: Place, size: int) -> tuple[list[str], Place, bool]:
    """Return who is met in one step, the place behind it, and whether the walk is over."""
    place = walk.account(place, board.behind(place.seen))
    owed = list(place.owed)
    found = board.page(place, size)
    met, place = walk.meet(Place(place.score, place.user, place.seen, place.ahead), found)
    return owed + met, place, len(found) < size


@settings(max_examples=500)
@given(
    start=st.dictionaries(st.sampled_from(USERS), scores), between=st.lists(moves, max_size=12), size=st.integers(1, 5)
)
def test_whoever_stays_is_met_exactly_once(
    start: dict[str, float], between: list[list[tuple[str, float | None]]], size: int
) -> None:
    """Whatever the others do, and wherever they go themselves."""
    board = Board(dict(start))
    place, met, is_over = walk.begin(100.0, "0-0"), [], False
    stayed = set(start)
    pending = list(between)
    while not is_over:
        for user, score in pending.pop(0) if pending else []:
            board.move(user, score)
            if score is None:
                stayed.discard(user)
        found, place, is_over = step(board, place, size)
        met += found
    assert place.is_exact
    assert {user: met.count(user) for user in stayed} == dict.fromkeys(stayed, 1)
    for user in set(met) - stayed:
        assert user not in start or met.count(user) <= 2, "at most once before it was deleted and once after"


@pytest.mark.parametrize("page", [Page([], "9-0", lost=True), Page([reset("9-0", "rebuilt")], "9-0", lost=False)])
def test_a_walk_says_when_moves_were_not_told(page: Page) -> None:
    """It goes on by its place, and never claims again to be exact."""
    place = walk.account(Place(50.0, "x:a", "1-0", frozenset({1}), ("x:b",)), page)
    assert (place.is_exact, place.ahead, place.owed, place.seen) == (False, frozenset(), (), "9-0")
    assert not walk.account(place, Page([], "9-0", lost=False)).is_exact


def test_a_walk_says_when_more_moves_were_told_than_a_cursor_holds() -> None:
    """Cursors stay short enough for a URL."""
    board = Board({f"x:{number:03d}": 50.0 for number in range(500)})
    place = Place(40.0, "x:a", "0-0")
    for user in list(board.scores):
        board.move(user, 30.0)
    assert not walk.account(place, board.behind("0-0")).is_exact
