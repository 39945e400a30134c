"""Forgotten users leave no row and no trace in others' evidence; blocked accounts weigh nothing."""

import msgspec
import numpy as np
import pytest

from pipeline.scoring import model
from pipeline.state.codec import encode_rows
from pipeline.state.decisions import Decisions
from pipeline.state.details import details_documents
from pipeline.state.forgetting import drop_rows, farewells, scrub
from pipeline.state.packed import Packed
from pipeline.state.partition import FATES, FORGOTTEN, SMALL_LIMIT, Partition
from pipeline.state.records import Records
from pipeline.state.restore import Restore
from pipeline.state.sources import IDENTITIES
from pipeline.state.view import features
from schemas import Engagement, Forgotten, Identity, Override
from tests.unit.state.log import NOW

BIG = SMALL_LIMIT + 20


def like(number: int, actor: str, target: str, *, at: int = NOW) -> Engagement:
    """Return a like."""
    return Engagement(f"x:{number}", "like", "x", actor, target, at, object=f"post {number}", tags=["t"])


def run_of(events: list[Engagement], first: int = 0) -> Records:
    """Return events as a run of records."""
    offsets = list(range(first, first + len(events)))
    keys: list[bytes | None] = [event.target.encode() for event in events]
    values: list[bytes | None] = [msgspec.json.encode(event) for event in events]
    return Records.of(first, first + len(events), offsets, [NOW] * len(events), keys, values)


def folded(events: list[Engagement], *decisions: Forgotten | Override) -> Partition:
    """Return a partition that has folded events, with decisions known before."""
    known = Decisions()
    for decision in decisions:
        known.add(decision)
    part = Partition(0, decisions=known)
    part.fold(0, run_of(events))
    part.settle()
    return part


def score(part: Partition, user: str) -> float:
    """Return a user's score."""
    return float(model.score(features(part, np.array([part.index[user.encode()]]))).score[0])


def actors(part: Partition, user: str) -> list[str]:
    """Return the actors in a user's details."""
    rows = np.array([part.index[user.encode()]])
    (details,) = details_documents(part, rows, features(part, rows), NOW)
    return [top.actor for top in details.actors]


def fates(part: Partition) -> dict[str, int]:
    """Return the fates by name, those that occurred."""
    return {name: count for name, count in zip(FATES, part.fates.tolist(), strict=True) if count}


def test_what_forgotten_users_receive_has_its_fate() -> None:
    """Whenever it happened: no row may come of it."""
    events = [like(1, "x:a", "x:gone"), like(2, "x:a", "x:gone", at=NOW - 10), like(3, "x:a", "x:b")]
    part = folded(events, Forgotten("", "x:gone", NOW))
    assert fates(part) == {"applied": 1, "forgotten": 2}
    assert list(part.ids) == [b"x:b"]


def test_what_forgotten_users_do_has_its_fate_from_then_on() -> None:
    """What they did before counts on, without a name."""
    events = [like(1, "x:gone", "x:b", at=NOW - 1000), like(2, "x:gone", "x:b"), like(3, "x:a", "x:b")]
    part = folded(events, Forgotten("", "x:gone", NOW))
    assert fates(part) == {"applied": 2, "forgotten": 1}
    assert actors(part, "x:b") == ["x:a"]
    assert score(part, "x:b") == score(folded([events[0], events[2]]), "x:b")


@pytest.mark.parametrize("count", [3, BIG])
def test_a_decision_that_comes_late_gives_the_same_scores(count: int) -> None:
    """Small row or large: what was known before or is told after the fold ends in the same state."""
    events = [like(n, f"x:{n}", target, at=NOW - 1000) for n in range(count) for target in ("x:gone", "x:b")]
    events = [e if i % 2 else like(10_000 + i, e.actor, e.target, at=e.time) for i, e in enumerate(events)]
    events += [like(20_000 + n, "x:gone", "x:b", at=NOW - 1000) for n in range(count)]
    before = folded(events, Forgotten("", "x:gone", NOW))
    after = folded(events)
    assert "x:gone" in actors(after, "x:b")
    decision = Forgotten("", "x:gone", NOW)
    after.decisions.add(decision)
    after.dirty[:] = False
    dropped = drop_rows(after, ["x:gone", "no id"])
    assert len(dropped) == 1
    touched = scrub(after, ["x:gone"])
    assert [after.ids[row] for row in touched.tolist()] == [b"x:b"]
    assert after.dirty[touched].all()
    assert not after.owed[dropped].any()
    assert b"x:gone" not in after.index
    assert "x:gone" not in actors(after, "x:b")
    if count <= 10:
        assert actors(after, "x:b") == actors(before, "x:b")
    assert score(after, "x:b") == score(before, "x:b")
    after.fold(0, run_of([like(30_000, "x:a", "x:gone")], first=len(events)))
    assert after.fates[FORGOTTEN] == 1
    assert b"x:gone" not in after.index


def test_a_user_who_is_known_again_begins_anew() -> None:
    """Nothing of before comes back."""
    part = folded([like(n, f"x:{n}", "x:gone") for n in range(BIG)])
    drop_rows(part, ["x:gone"])
    part.fold(0, run_of([like(1000, "x:a", "x:gone")], first=BIG))
    part.settle()
    assert score(part, "x:gone") == score(folded([like(1000, "x:a", "x:gone")]), "x:gone")


@pytest.mark.parametrize("count", [2, BIG])
def test_a_tombstone_in_the_changelog_takes_a_row_back(count: int) -> None:
    """Also one that another record of the same fetch wrote; a record after it counts."""
    part = folded([like(n, f"x:{n}", "x:gone") for n in range(count)])
    rows = np.arange(len(part))
    ((key, value),) = encode_rows(part, rows, np.ones(len(rows), np.bool_), 1)
    for records in ([(key, value), (key, None)], [(key, None)]):
        restored = Restore(Partition(0))
        restored.add(*Packed.of_pairs([(key, value)]))
        restored.add(*Packed.of_pairs(records))
        restored.finish(part.positions)
        assert key not in restored.partition.index
        assert not restored.partition.owed.any()
    restored = Restore(Partition(0))
    restored.add(*Packed.of_pairs([(key, value), (key, None), (key, value)]))
    restored.finish(part.positions)
    assert score(restored.partition, "x:gone") == score(part, "x:gone")


def test_a_blocked_account_weighs_nothing_from_then_on() -> None:
    """Its engagement is applied, so that the fates add up, and changes no score."""
    events = [like(1, "x:farm", "x:b", at=NOW - 1000), like(2, "x:farm", "x:b"), like(3, "x:a", "x:b")]
    part = folded(events, Override("", "x:farm", "block", NOW))
    assert fates(part) == {"applied": 3}
    assert score(part, "x:b") == score(folded([events[0], events[2]]), "x:b")


def test_an_allowed_account_is_not_taken_for_a_busy_one() -> None:
    """Its stamps of a new and busy account have no effect; a later word replaces an earlier one."""
    plain = like(1, "x:a", "x:b")
    busy = Engagement(*(getattr(plain, name) for name in plain.__struct_fields__[:9]), None, 900, NOW - 1000)
    allowed = folded([busy], Override("", "x:a", "block", 0), Override("", "x:a", "allow", 0))
    assert score(allowed, "x:b") == score(folded([plain]), "x:b")
    assert score(allowed, "x:b") > score(folded([busy]), "x:b")


def test_a_forgotten_account_takes_leave_of_its_person() -> None:
    """What it contributed counts no more; what identities say of it later is forgotten too."""
    part = folded([like(1, "x:a", "x:gone")])
    part.linking.link(part.index[b"x:gone"], "x:person")
    (farewell,) = farewells(part, ["x:gone", "x:other"], NOW)
    assert (farewell.user, farewell.account, farewell.linked) == ("x:person", "x:gone", False)
    part.decisions.add(Forgotten("", "x:gone", NOW))
    drop_rows(part, ["x:gone"])
    identity = msgspec.json.encode(Identity("x:gone", "x:person", NOW))
    part.fold(IDENTITIES, Records.of(0, 1, [0], [NOW], [b"x:gone"], [identity]))
    assert part.fates[FORGOTTEN] == 1
    assert b"x:gone" not in part.index
