"""A deletion withdraws what was published, stamps and all."""

import msgspec

from agents.memory import RecentMemory
from agents.protocol import Deletion
from agents.withdrawals import resolve
from schemas import Engagement, Post
from tests.unit.agents.samples import like

NOW = like().time
STAMPED = like(actor_score=43.2, actor_nth=17, actor_since=5, mutual=True, object="n:post")


def test_an_undo_repeats_id_object_time_and_stamps() -> None:
    """The fold subtracts exactly what it added."""
    resolved = resolve([STAMPED, Deletion((STAMPED.id,))], RecentMemory(), NOW)
    assert resolved.records == [STAMPED, msgspec.structs.replace(STAMPED, undo=True)]
    assert (resolved.undone, resolved.skipped) == (1, {})


def test_an_undo_that_names_the_action_gets_the_stamps_of_the_original() -> None:
    """The source's own undo has none."""
    memory = RecentMemory()
    resolve([STAMPED], memory, NOW)
    assert resolve([like(undo=True)], memory, NOW).records == [msgspec.structs.replace(STAMPED, undo=True)]


def test_an_undo_of_something_forgotten_goes_out_as_it_is() -> None:
    """It names the whole action: it can be withdrawn all the same."""
    assert resolve([like(undo=True)], RecentMemory(), NOW).records == [like(undo=True)]


def test_a_deletion_of_something_unknown_is_counted() -> None:
    """Nothing can be withdrawn without its target."""
    resolved = resolve([Deletion(("n:like/9",))], RecentMemory(), NOW)
    assert (resolved.records, resolved.undone, resolved.skipped) == ([], 0, {"undo_unknown": 1})


def test_an_action_is_withdrawn_once() -> None:
    """An id names one occurrence."""
    memory = RecentMemory()
    resolve([STAMPED, Deletion((STAMPED.id,))], memory, NOW)
    assert resolve([Deletion((STAMPED.id,))], memory, NOW).skipped == {"undo_unknown": 1}


def test_a_deletion_withdraws_every_record_of_the_event() -> None:
    """A reply is a post and a comment."""
    post = Post(id="n:p", network="n", author="n:a", time=1)
    resolved = resolve([post, STAMPED, Deletion((STAMPED.id, "n:p", "n:other"))], RecentMemory(), NOW)
    undos = [record.undo for record in resolved.records if isinstance(record, Engagement | Post)]
    assert undos == [False, False, True, True]
    assert resolved.undone == 1


def test_the_memory_is_bounded() -> None:
    """The newest records are kept."""
    memory = RecentMemory(limit=100)
    for n in range(1_000):
        memory.remember(like(n))
    assert memory.take(like(999).id) == like(999)
    assert memory.take(like(100).id) is None
