"""Which scores go out, and when."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.state.documents import rounded
from pipeline.state.forgetting import drop_rows
from pipeline.state.partition import Partition
from pipeline.state.sources import SOURCE_OF
from pipeline.streams import emission
from pipeline.streams.emission import SWEEP_MS, Emission
from tests.support.settings import make_settings
from tests.unit.state.log import NOW, Log, crowd, engagement, fold, restored
from tests.unit.state.log import changelog as changelog_of

LIKES, SHARES = SOURCE_OF["likes"], SOURCE_OF["shares"]

START = 1_000_000_000
INTERVAL, SETTLE = 200, 30_000


def emission_of(**changes: Any) -> Emission:
    """Return an emission with the default settings: 0.1 points, 0.2 s, 30 s."""
    return Emission(make_settings("kafka://x:1", "redis://x:1", Path("/nowhere"), **changes))


class Round:
    """A partition with a log, and rounds at moments of a clock that only the test moves."""

    def __init__(self, **changes: Any) -> None:
        self.log = Log()
        self.part: Partition = fold(self.log)[0]
        self.emission = emission_of(**changes)
        self.now = START

    def engage(self, *users: str, n: int = 1) -> None:
        """Let `n` new actors engage with each of the users."""
        for user in users:
            for i in range(n):
                self.log.add(engagement(f"bluesky:{self.log.end(0)}-{i}", user))
        fold(self.log, self.part)

    def due(self, after: int = 0, limit: int | None = None) -> set[str]:
        """Return whose documents a round emits `after` ms later, and do what the round does with them."""
        self.now += after
        users: set[str] = set()
        for due in self.emission.due(self.part, self.now, limit):
            self.part.emitted[due.rows] = rounded(due.scores.score)
            assert len(due.rows) == len(due.features) == len(due.scores.score)
            names = {self.part.ids[row].decode() for row in due.rows.tolist()}
            assert not users & names
            users |= names
        self.part.dirty[:] = False
        return users


def test_a_first_score_goes_out_at_once() -> None:
    """Nobody waits for a score that never was."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    assert rounds.due() == {"n:a", "n:b"}
    assert not rounds.part.owed.any()


def test_a_score_that_moved_goes_out_at_once_but_not_twice_within_the_interval() -> None:
    """The second move waits until the interval has passed, and then goes out though nothing further happened to it."""
    rounds = Round()
    rounds.engage("n:a", n=3)
    assert rounds.due() == {"n:a"}
    rounds.engage("n:a", n=10)
    assert rounds.due(after=INTERVAL - 1) == set()
    assert rounds.part.owed[0]
    rounds.engage("n:b")
    assert rounds.due(after=1) == {"n:a", "n:b"}
    rounds.engage("n:b", n=5)
    assert rounds.due(after=INTERVAL) == {"n:b"}


def test_news_go_out_before_what_a_recovery_owes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round takes a bounded number of rows; whoever just moved does not wait for a million others."""
    monkeypatch.setattr(emission, "OTHERS_AT_ONCE", 10)
    rounds = Round()
    crowd_of = [f"n:{i}" for i in range(35)]
    rounds.engage(*crowd_of)
    rounds.part = restored(changelog_of(rounds.part), rounds.part.positions)
    rounds.part.owed[: len(crowd_of)] = True
    rounds.emission = emission_of()
    rounds.emission.owe_all(rounds.part)
    first = rounds.due()
    assert len(first) == 10
    rounds.engage("n:fresh", "n:34", n=3)
    second = rounds.due()
    assert {"n:fresh", "n:34"} <= second
    assert len(second) == 12
    rest = [rounds.due() for _ in range(2)]
    assert max(map(len, rest)) <= 10
    assert first.union(second, *rest) == {*crowd_of, "n:fresh"}
    assert not rounds.part.owed.any()


def test_more_news_than_a_round_takes_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after catching up: not for the settle time, and none is forgotten."""
    monkeypatch.setattr(emission, "NEWS_AT_ONCE", 10)
    monkeypatch.setattr(emission, "OTHERS_AT_ONCE", 10)
    rounds = Round()
    rounds.engage(*[f"n:{i}" for i in range(25)])
    sent = [rounds.due(after=INTERVAL) for _ in range(3)]
    assert [len(users) for users in sent] == [10, 10, 5]
    assert len(set.union(*sent)) == 25


def test_each_user_goes_out_once_an_interval_however_often_it_moves() -> None:
    """A thousand moves within a second are five documents."""
    rounds = Round()
    sent = 0
    for _ in range(100):
        rounds.engage("n:a", "n:busy", n=2)
        sent += "n:a" in rounds.due(after=10)
    assert 4 <= sent <= 6


def small_move(rounds: Round) -> None:
    """Move the score of a well-known user by less than a tenth of a point."""
    before = float(rounds.part.emitted[rounds.part.index[b"n:famous"]])
    rounds.engage("n:famous")
    rounds.engage("n:other", n=3)
    assert before > 30


def famous() -> Round:
    """Return rounds in which a user with a thousand engagers has gone out."""
    rounds = Round()
    for event in crowd(1_000, target="n:famous", days=1):
        rounds.log.add(event)
    rounds.engage("n:other")
    assert rounds.due() == {"n:famous", "n:other"}
    return rounds


def test_a_small_move_waits_while_others_are_busy_but_not_longer_than_the_settle_time() -> None:
    """Half a minute: nobody sees it sooner, nobody misses it."""
    rounds = famous()
    small_move(rounds)
    assert rounds.due(after=1_000) == {"n:other"}
    waited, seen = 0, set[str]()
    while "n:famous" not in seen:
        rounds.engage("n:other", n=5)
        seen = rounds.due(after=1_000)
        waited += 1_000
    assert waited == SETTLE


def test_many_small_moves_are_a_move() -> None:
    """What matters is the distance to the last document, not to the last look."""
    rounds = famous()
    seen, moves = set[str](), 0
    while "n:famous" not in seen:
        small_move(rounds)
        seen = rounds.due(after=1_000)
        moves += 1
    assert 1 < moves < 30


def test_when_nothing_happens_what_is_owed_goes_out() -> None:
    """At rest everybody's newest score is out."""
    rounds = famous()
    small_move(rounds)
    assert rounds.due(after=1_000) == {"n:other"}
    assert rounds.due(after=1) == {"n:famous"}
    assert rounds.due(after=1) == set()
    assert not rounds.part.owed.any()


def test_time_alone_emits_nothing() -> None:
    """A row to which nothing happened is not owed."""
    rounds = famous()
    assert rounds.due(after=10 * SETTLE) == set()


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_while_catching_up_a_round_looks_at_no_more_than_its_limit_and_skips_none(limit: int) -> None:
    """The limit goes around: after enough rounds everybody was out."""
    rounds = Round()
    users = {f"n:{i}" for i in range(20)}
    rounds.engage(*users)
    seen: list[str] = []
    for _ in range(-(-20 // limit)):
        out = rounds.due(after=1, limit=limit)
        assert len(out) <= limit
        seen += out
    assert sorted(seen) == sorted(users)


def test_while_catching_up_busy_users_do_not_crowd_out_the_others() -> None:
    """Everyone's turn comes although the first few are owed again in every round."""
    rounds = Round()
    rounds.engage(*[f"n:{i}" for i in range(30)])
    seen: set[str] = set()
    for _ in range(20):
        rounds.engage(*[f"n:{i}" for i in range(4)], n=3)
        seen |= rounds.due(after=INTERVAL, limit=5)
    assert len(seen) == 30


def test_what_a_catch_up_left_behind_goes_out_when_it_ends() -> None:
    """The first round without a limit empties the backlog, busy or not."""
    rounds = Round()
    users = [f"n:{i}" for i in range(20)]
    rounds.engage(*users)
    first = rounds.due(after=1, limit=5)
    rounds.engage("n:new")
    assert rounds.due(after=1) == set(users) - first | {"n:new"}


def test_the_newest_state_wins() -> None:
    """What goes out late is what the row is then, not what it was when it became due."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    out = rounds.due(limit=1)
    held = ({"n:a", "n:b"} - out).pop()
    rounds.engage(held, n=9)
    due = rounds.emission.due(rounds.part, rounds.now + 1)[0]
    assert due.features.engagers[due.rows.tolist().index(rounds.part.index[held.encode()])] == 10


def test_after_a_recovery_what_is_owed_goes_out_at_once() -> None:
    """Though others are busy: a crash must not cost half a minute."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    rounds.due()
    rounds.engage("n:b", n=4)
    part = restored(changelog_of(rounds.part, planned=False), rounds.part.positions)
    assert part.owed[:2].all()
    rounds.part, rounds.emission = part, emission_of()
    rounds.emission.owe_all(part)
    rounds.engage("n:c")
    assert rounds.due(after=1) == {"n:a", "n:b", "n:c"}


def test_a_row_that_is_ahead_of_the_log_waits_until_the_log_has_come_there() -> None:
    """A crash came between its flush and the commit. Its document would say more than the offsets beside it."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    committed = rounds.part.positions.copy()
    rounds.engage("n:b", n=4)
    part = restored(changelog_of(rounds.part, planned=False), committed)
    rounds.part, rounds.emission = part, emission_of()
    rounds.emission.owe_all(part)
    assert part.rows_ahead().tolist() == [True, True]  # both were flushed with what the partition knew by then
    assert rounds.due() == set()
    assert rounds.emission.details_due(part, rounds.now, 10).tolist() == []
    assert part.owed[:2].all()
    fold(rounds.log, part)
    assert not part.rows_ahead().any()
    assert rounds.due(after=1) == {"n:a", "n:b"}


def test_rows_that_come_later_have_times_of_their_own() -> None:
    """Growth of the table loses nobody's owed score."""
    rounds = Round()
    rounds.engage("n:first")
    rounds.engage(*[f"n:{i}" for i in range(700)])
    assert len(rounds.due()) == 701
    rounds.engage(*[f"n:later{i}" for i in range(700)])
    assert len(rounds.due(after=1)) == 700


def test_details_go_out_at_most_once_an_interval() -> None:
    """Ten seconds a user, and never more than a round may take."""
    rounds = Round()
    users = [f"n:{i}" for i in range(10)]
    rounds.engage(*users)
    rounds.due()
    part, emission = rounds.part, rounds.emission
    first = emission.details_due(part, START, 6)
    second = emission.details_due(part, START, 6)
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(10))
    assert not len(emission.details_due(part, START + 60_000, 6))
    rounds.engage(*users)
    rounds.due()
    assert not len(emission.details_due(part, START + 9_999, 20))
    assert len(emission.details_due(part, START + 10_000, 20)) == 10


def test_an_empty_partition_owes_nothing() -> None:
    """No rows, no documents."""
    rounds = Round()
    assert rounds.due() == rounds.due(limit=5) == set()
    assert np.array_equal(rounds.emission.details_due(rounds.part, NOW, 5), [])


def test_scores_of_silent_users_sink_as_the_time_of_the_log_moves_on() -> None:
    """Ten days later, by ticks alone, everyone's score is lower, and every document of it goes out once."""
    rounds = Round()
    users = {f"n:{i}" for i in range(10)}
    rounds.engage(*users, n=20)
    assert rounds.due() == users
    before = rounds.part.emitted[:10].copy()
    rounds.part.as_of += 10 * 86_400_000
    rounds.part.settle()
    assert rounds.due(after=INTERVAL) == users
    assert (rounds.part.emitted[:10] < before).all()
    assert rounds.due(after=INTERVAL) == set()


def test_the_sweep_of_silent_users_spreads_over_the_time_of_the_log() -> None:
    """A minute of event time looks at a fifth of the rows: five of them at everyone, nobody twice."""
    rounds = Round()
    users = {f"n:{i}" for i in range(10)}
    rounds.engage(*users, n=20)
    assert rounds.due() == users
    looked: list[int] = []
    for _ in range(5):
        rounds.part.as_of += SWEEP_MS // 5
        looked += rounds.emission._silent(rounds.part).tolist()
    assert sorted(looked) == list(range(10))


def test_a_leap_of_time_is_made_up_for_over_the_next_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than a round looks at: the sweep goes on though no further time passes, and ends when all are seen."""
    monkeypatch.setattr(emission, "CHUNK", 4)
    rounds = Round()
    rounds.engage(*{f"n:{i}" for i in range(10)}, n=20)
    rounds.due()
    rounds.part.as_of += 10 * SWEEP_MS
    looked = [rounds.emission._silent(rounds.part).tolist() for _ in range(5)]
    assert [len(rows) for rows in looked] == [4, 4, 2, 0, 0]
    assert sorted(row for rows in looked for row in rows) == list(range(10))


def test_a_document_without_news_of_its_row_is_saved_a_round_later() -> None:
    """A crash before it is out must find the row as it was; then the row knows its last document."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    part, keeper = rounds.part, rounds.emission
    keeper.due(part, rounds.now)
    part.dirty[:] = [True, False] + [False] * (part.room - 2)
    one, both = np.array([True, False]), np.array([True, True])
    none = np.array([False, False])
    assert keeper.to_save(part, one, moved=True).tolist() == [0]
    part.dirty[:] = False
    assert keeper.to_save(part, none, moved=True).tolist() == []
    assert keeper.to_save(part, both, moved=True).tolist() == []
    assert keeper.to_save(part, one, moved=True).tolist() == [1]
    assert keeper.to_save(part, none, moved=True).tolist() == [0]
    assert keeper.to_save(part, none, moved=True).tolist() == []


def test_a_document_with_nothing_behind_it_in_the_log_is_saved_a_round_later() -> None:
    """With news or without: a record that says it is out would be believed, since nothing is read again."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    part, keeper = rounds.part, rounds.emission
    keeper.due(part, rounds.now)
    part.dirty[:] = [True, False] + [False] * (part.room - 2)
    both, none = np.array([True, True]), np.array([False, False])
    assert keeper.to_save(part, both, moved=False).tolist() == [0]
    part.dirty[:] = False
    assert keeper.to_save(part, none, moved=False).tolist() == [0, 1]
    assert keeper.to_save(part, none, moved=False).tolist() == []


def test_until_the_last_owners_place_is_reached_nothing_goes_out() -> None:
    """It may have told more of a user, at a lower sum of offsets: ours would take that back."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    part, keeper = rounds.part, rounds.emission
    part.counted[:] = part.positions
    part.counted[LIKES] += 1
    part.positions[SHARES] += 1_000
    keeper.owe_details(part)
    assert keeper.due(part, rounds.now) == keeper.due(part, rounds.now, 10) == []
    assert keeper.details_due(part, rounds.now, 10).tolist() == []
    part.positions[LIKES] += 1
    assert [due.rows.tolist() for due in keeper.due(part, rounds.now)] == [[0, 1]]
    assert keeper.details_due(part, rounds.now, 10).tolist() == [0, 1]


def test_what_had_to_wait_goes_out_when_the_last_owners_place_is_reached() -> None:
    """Not with what is owed for long, however much else happens."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    part, keeper = rounds.part, rounds.emission
    part.counted[SHARES] = part.positions[SHARES] + 1
    keeper.due(part, rounds.now)
    part.dirty[:] = [False, True] + [False] * (part.room - 2)
    part.positions[SHARES] += 1
    assert [due.rows.tolist() for due in keeper.due(part, rounds.now)] == [[0, 1]]


def test_a_row_that_was_dropped_is_saved_no_more() -> None:
    """Its document had just gone out. A row without an id would be nobody's, and no recovery could read it."""
    rounds = Round()
    rounds.engage("n:a", "n:b")
    part, keeper = rounds.part, rounds.emission
    keeper.due(part, rounds.now)
    part.dirty[:] = False
    both, none = np.array([True, True]), np.array([False, False])
    assert keeper.to_save(part, both, moved=True).tolist() == []
    keeper.drop(part, drop_rows(part, ["n:a"]))
    assert keeper.to_save(part, none, moved=True).tolist() == [1]


def test_after_a_recovery_all_details_are_owed() -> None:
    """Nobody knows which are out; those of a dropped user never go."""
    rounds = Round()
    rounds.engage("n:a", "n:b", "n:c", "n:d")
    part, keeper = rounds.part, rounds.emission
    drop_rows(part, ["n:d"])
    keeper.owe_details(part)
    assert [keeper.details_due(part, START, limit).tolist() for limit in (0, 1, 0, 9, 9)] == [[], [0], [], [1, 2], []]


def test_of_many_details_half_are_the_newest_and_the_others_come_around() -> None:
    """The first are fresh however many wait, and nobody waits for ever however many are engaged with."""
    rounds = Round()
    rounds.engage("n:a", "n:b", "n:c", "n:d", "n:e", "n:f")
    part, keeper = rounds.part, rounds.emission
    part.last[:6] = [NOW - 6, NOW - 5, NOW - 4, NOW - 3, NOW - 1, NOW - 2]
    out = []
    for number in range(4):
        keeper.owe_details(part)
        out.append(keeper.details_due(part, START + number * 20_000, 2).tolist())
    assert out == [[0, 4], [1, 4], [2, 4], [3, 4]]
