"""The checkers on hand-made histories: each flaw is found, and a good history has none."""

from typing import Any

from schemas import Counts, Factors, ScoreDocument, Windows
from tests.support.history import contradictions, counted, doubled, held_by_reader, lost, went_back
from tests.support.ledger import Ledger

NONE = {"like": 0, "share": 0, "comment": 0, "follow": 0}


def document(version: int, likes: int, *, user: str = "n:a", **changes: Any) -> ScoreDocument:
    """Return a document that has counted so many likes."""
    counts = Counts(likes, 0, 0, 0)
    fields: dict[str, Any] = {
        "user": user,
        "handle": "a",
        "name": None,
        "avatar": None,
        "score": 10.0 + likes,
        "previous": None,
        "bucket": "10-19",
        "percentile": 1.0,
        "confidence": 0.5,
        "factors": Factors(1, 1, 1),
        "networks": {},
        "engagement": Windows(counts, counts, counts, counts),
        "engagers": likes,
        "authenticity": 100,
        "model": "m",
        "version": version,
        "time": 1,
        "as_of": version,
    }
    return ScoreDocument(**{**fields, **changes})


def test_a_good_history_has_no_flaw() -> None:
    """Versions grow, and so do the counts; a worker that was restarted may repeat itself."""
    documents = [document(1, 1), document(3, 2), document(1, 1), document(3, 2), document(5, 4)]
    assert went_back(documents) == contradictions([(each, b"%d" % each.version) for each in documents]) == []
    expected = {"n:a": {**NONE, "like": 4}}
    found = counted(held_by_reader(documents).values())
    assert lost(expected, found) == doubled(expected, found) == []


def test_a_lost_event_is_found() -> None:
    """Also where a user has no document at all."""
    expected = {"n:a": {**NONE, "like": 4}, "n:b": {**NONE, "follow": 1}}
    found = counted([document(5, 3)])
    assert lost(expected, found) == [
        "n:a: like acknowledged 4, counted 3",
        "n:b: follow acknowledged 1, counted 0",
    ]
    assert doubled(expected, found) == []


def test_a_double_count_is_found() -> None:
    """Also for a user whom nobody engaged with."""
    found = counted([document(5, 5), document(1, 1, user="n:z")])
    assert doubled({"n:a": {**NONE, "like": 4}}, found) == [
        "n:a: like acknowledged 4, counted 5",
        "n:z: like acknowledged 0, counted 1",
    ]


def test_a_loss_in_one_kind_is_not_hidden_by_a_double_count_in_another() -> None:
    """Kinds are compared one by one."""
    expected = {"n:a": {**NONE, "like": 1, "share": 1}}
    found = {"n:a": {**NONE, "like": 2}}
    assert len(lost(expected, found)) == len(doubled(expected, found)) == 1


def test_counts_that_fall_with_a_higher_version_are_found() -> None:
    """A worker that lost part of its state goes on with higher versions."""
    assert went_back([document(1, 3), document(2, 2)]) == ["n:a: like went from 3 back to 2"]
    assert went_back([document(1, 3), document(2, 2)], undone=True) == []


def test_a_time_that_falls_with_a_higher_version_is_found() -> None:
    """`as_of` only grows."""
    assert went_back([document(1, 1), document(2, 1, as_of=0)]) == ["n:a: as_of went from 1 back to 0"]


def test_a_lower_version_is_not_seen_by_a_reader_that_keeps_the_highest() -> None:
    """A zombie's late document does no harm."""
    documents = [document(5, 5), document(4, 4), document(6, 6)]
    assert went_back(documents) == []
    assert held_by_reader(documents) == {"n:a": document(6, 6)}


def test_one_place_with_two_contents_is_found() -> None:
    """A fold that is not a function of the log. Two owners who read other topics first have no place in common."""
    assert len(contradictions([(document(2, 1), b"likes 2"), (document(2, 2), b"likes 2")])) == 1
    assert contradictions([(document(2, 1), b"likes 2"), (document(2, 2), b"shares 2")]) == []


def test_users_are_told_apart() -> None:
    """Each has versions of its own."""
    assert went_back([document(5, 5), document(1, 1, user="n:b"), document(6, 5)]) == []


def test_the_ledger_expects_each_acknowledged_event_once() -> None:
    """What was not acknowledged is not expected; what is sent twice counts once."""
    ledger = Ledger(1, users=5)
    events = ledger.issue(100)
    ledger.acknowledge(events[:60])
    ledger.acknowledge(events[:10])
    expected = ledger.expected()
    assert sum(sum(kinds.values()) for kinds in expected.values()) == 60
    assert (ledger.records, ledger.duplicates) == (70, 10)


def test_the_ledger_repeats_itself_with_its_seed() -> None:
    """Ids, kinds and targets; not the times."""
    first, second = (Ledger(7, repeated=0.1, undone=0.1, clock=lambda: 5).issue(500) for _ in range(2))
    assert first == second
    assert any(event.undo for event in first)
    assert len({event.id for event in first}) < 450


def test_an_undone_event_is_not_expected() -> None:
    """Undos repeat their original's id and kind."""
    ledger = Ledger(3, users=3, undone=0.3)
    events = ledger.issue(300)
    ledger.acknowledge(events)
    undos = {event.id for event in events if event.undo}
    total = sum(sum(kinds.values()) for kinds in ledger.expected().values())
    assert undos
    assert total == len({event.id for event in events if not event.undo}) - len(undos)
