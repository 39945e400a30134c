"""Rounds: in which order they write and commit, and when they must not."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from pipeline.errors import ChangelogWriteError, MembershipLostError
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.records import Refusal
from pipeline.state.sources import SOURCE_OF, SOURCES
from pipeline.streams.batches import Acknowledged
from pipeline.streams.commit import CommitRounds
from pipeline.streams.dead_letters import DeadLetters, write_letters
from pipeline.streams.emission import Emission
from pipeline.streams.lease import Heard
from pipeline.streams.plan import write
from pipeline.streams.zombies import Tail
from tests.unit.state.log import engagement, folded, restored

LIKES = SOURCE_OF["likes"]


class Worker:
    """Stands in for the app, its consumer, its producer's thread and its table; notes what a round does, in order."""

    def __init__(self, *, flow_active: bool = True) -> None:
        settings = Settings(_env_file=None)
        self.settings = settings
        self.done: list[tuple[str, Any]] = []
        self.part = Partition(0)
        self.held = {0: self.part}
        self.tails = {0: Tail(0)}
        self.rows: list[Any] = []
        """Of the changelog, as they were written."""
        self.member: bool | None = True
        self.recovered: Partition | None = None
        """What comes in the partition's place while the coordinator is asked."""
        self.refuses: Exception | None = None
        """Why rows are not written, or what follows from them is not."""
        self.dead_letters = DeadLetters("clout.dead-letters")
        self.consumer = SimpleNamespace(
            lags=dict,
            flow_active=flow_active,
            should_stop=not flow_active,
            is_member=self._is_member,
            heartbeats=Heard(),
            bring_in=self._bring_in,
            commit_positions=self._commit,
        )
        self.producer = SimpleNamespace(thread=SimpleNamespace(is_running=True, write=self._write))
        table = SimpleNamespace(
            partitions_held=self.held,
            drop=self.held.pop,
            emissions={0: Emission(settings)},
            tails=self.tails,
            delete=lambda *_: None,
            topic=lambda source: settings.topic_prefix + SOURCES[source],
            source=lambda topic: SOURCE_OF[topic.removeprefix(settings.topic_prefix)],
            changelog_topic=SimpleNamespace(get_topic_name=lambda: "changelog"),
            take_forgotten=lambda _: set(),
            take_farewells=lambda _: [],
        )
        app: Any = self
        held: Any = table
        self.rounds = CommitRounds(app, held, settings)

    async def _is_member(self) -> bool | None:
        if self.recovered is not None:
            self.held[0] = self.recovered
        return self.member

    async def _bring_in(self, number: int) -> None:
        """Fold a fetch of one bad record."""
        self.done.append(("brought in", number))
        self.dead_letters.add("clout.likes", 0, 1, [Refusal(0, b"{", "invalid_json", "cut off")])
        self.part.positions[LIKES] += 1

    def _write(self, work: "partial[Any]") -> "asyncio.Future[list[Acknowledged] | None]":
        written: asyncio.Future[list[Acknowledged] | None] = asyncio.get_running_loop().create_future()
        if work.func is write_letters:
            self.done.append(("letters", [letter.refusal.offset for letter in work.args[1]]))
        else:
            assert work.func is write
            self.done.append(("written", work.args[0].part.number))
            self.rows += work.args[0].rows
            if self.refuses:
                written.set_exception(self.refuses)
                return written
        written.set_result(None)
        return written

    async def _commit(self, positions: dict[TP, int]) -> bool:
        self.done.append(("committed", positions))
        return True


async def test_what_a_round_refuses_is_written_before_it_is_committed() -> None:
    """A crash after the commit would lose it: nobody reads the record again."""
    worker = Worker()
    assert await worker.rounds.run()
    assert worker.done == [
        ("brought in", 0),
        ("written", 0),
        ("letters", [0]),
        ("committed", {TP("clout.likes", 0): 1}),
    ]


@pytest.mark.parametrize("flow_active", [False, True])
async def test_nothing_is_brought_in_when_the_flow_has_stopped(flow_active: bool) -> None:
    """In the last round before a rebalance or the end, nobody would hand it on: waiting for it takes time."""
    worker = Worker(flow_active=flow_active)
    await worker.rounds.run()
    assert (("brought in", 0) in worker.done) is flow_active


async def test_who_is_no_longer_a_member_writes_nothing_and_drops_its_state() -> None:
    """The partitions are another worker's: what came after its rows would be a zombie's."""
    worker = Worker()
    worker.member = False
    assert not await worker.rounds.run()
    assert worker.done == []
    assert worker.held == {}


async def test_what_was_recovered_while_the_coordinator_was_asked_is_kept() -> None:
    """The answer is about the membership of before; that partition came with the next one."""
    worker = Worker()
    worker.member = False
    worker.recovered = Partition(0)
    assert not await worker.rounds.run()
    assert worker.done == []
    assert worker.held == {0: worker.recovered}


async def test_a_coordinator_that_does_not_answer_is_asked_again() -> None:
    """A broken connection is no verdict: nothing is written, nothing is dropped, and the next round makes up for it."""
    worker = Worker()
    worker.member = None
    assert not await worker.rounds.run()
    assert worker.done == []
    assert worker.held == {0: worker.part}
    worker.member = True
    assert await worker.rounds.run()
    assert worker.done[-1] == ("committed", {TP("clout.likes", 0): 1})


async def test_after_a_write_that_failed_no_round_writes_or_commits() -> None:
    """The rows it held are marked as flushed: the round that the worker's stop asks for must not commit past them."""
    worker = Worker()
    worker.refuses = ChangelogWriteError("the broker did not acknowledge")
    with pytest.raises(ChangelogWriteError):
        await worker.rounds.run()
    done = list(worker.done)
    assert ("written", 0) in done
    assert not [position for what, position in done if what == "committed"]
    worker.refuses = None
    assert not await worker.rounds.run()
    assert worker.done == done


async def test_who_loses_its_membership_within_a_round_commits_nothing_and_goes_on() -> None:
    """Its rows may have landed late; what it is given next is recovered, and is written as ever."""
    worker = Worker()
    worker.refuses = MembershipLostError("no longer a member of the group")
    assert not await worker.rounds.run()
    assert ("written", 0) in worker.done
    assert not [position for what, position in worker.done if what == "committed"]
    assert worker.held == {}
    worker.refuses = None
    worker.part = worker.held[0] = Partition(0)
    assert await worker.rounds.run()


async def test_while_the_group_forms_anew_no_round_writes() -> None:
    """The coordinator calls a member whose partitions are another worker's by then."""
    worker = Worker()
    worker.rounds.pause()
    assert not await worker.rounds.run()
    assert worker.done == []
    worker.rounds.group_formed(2)
    worker.rounds.pause()
    worker.rounds.go_on(2)
    assert not await worker.rounds.run(), "recovery began late: it forms once more"
    worker.rounds.group_formed(3)
    worker.rounds.go_on(3)
    assert await worker.rounds.run()


async def test_after_a_fold_that_failed_no_round_writes_or_commits() -> None:
    """Not the round that was under way either: half of a fetch may be staged, which will be read again."""
    worker = Worker()

    async def fails(number: int) -> None:
        worker.done.append(("failed", number))
        worker.rounds.fail()

    worker.consumer.bring_in = fails
    assert not await worker.rounds.run()
    assert worker.done == [("failed", 0)]
    assert not await worker.rounds.run()
    assert worker.done == [("failed", 0)]


@pytest.mark.parametrize("hidden_to", [-1, 50])
async def test_a_row_is_written_as_told_only_if_readers_take_its_document(hidden_to: int) -> None:
    """While an earlier owner's may hide it, who has the partition next must send it again."""
    worker = Worker()
    worker.part = worker.held[0] = folded(engagement(), engagement())
    worker.tails[0].hidden_to = hidden_to
    await worker.rounds.run()
    back = restored(worker.rows, worker.part.positions)
    assert back.owed[: len(back)].tolist() == [hidden_to >= 0]
