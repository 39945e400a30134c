"""Rounds: what is refused until a position is planned is written before that position is committed."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.records import Refusal
from pipeline.state.sources import SOURCE_OF, SOURCES
from pipeline.streams.commit import CommitRounds
from pipeline.streams.dead_letters import DeadLetters, write_letters
from pipeline.streams.emission import Emission

LIKES = SOURCE_OF["likes"]


class Worker:
    """Stands in for the app, its consumer, its producer's thread and its table; notes what a round does, in order."""

    def __init__(self, *, flow_active: bool = True) -> None:
        settings = Settings(_env_file=None)
        self.settings = settings
        self.done: list[tuple[str, Any]] = []
        self.part = Partition(0)
        self.dead_letters = DeadLetters("clout.dead-letters")
        self.consumer = SimpleNamespace(
            lags=dict,
            flow_active=flow_active,
            should_stop=not flow_active,
            is_member=self._is_member,
            bring_in=self._bring_in,
            commit_positions=self._commit,
        )
        self.producer = SimpleNamespace(thread=SimpleNamespace(is_running=True, write=self._write))
        table = SimpleNamespace(
            partitions_held={0: self.part},
            emissions={0: Emission(settings)},
            topic=lambda source: settings.topic_prefix + SOURCES[source],
            changelog_topic=SimpleNamespace(get_topic_name=lambda: "changelog"),
            take_forgotten=lambda _: set(),
            take_farewells=lambda _: [],
        )
        app: Any = self
        held: Any = table
        self.rounds = CommitRounds(app, held, settings)

    async def _is_member(self) -> bool:
        return True

    async def _bring_in(self, number: int) -> None:
        """Fold a fetch of one bad record."""
        self.done.append(("brought in", number))
        self.dead_letters.add("clout.likes", 0, 1, [Refusal(0, b"{", "invalid_json", "cut off")])
        self.part.positions[LIKES] += 1

    def _write(self, work: "partial[Any]") -> "asyncio.Future[None]":
        if work.func is write_letters:
            self.done.append(("letters", [letter.refusal.offset for letter in work.args[1]]))
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
        ("letters", [0]),
        ("committed", {TP("clout.likes", 0): 1}),
    ]


@pytest.mark.parametrize("flow_active", [False, True])
async def test_nothing_is_brought_in_when_the_flow_has_stopped(flow_active: bool) -> None:
    """In the last round before a rebalance or the end, nobody would hand it on: waiting for it takes time."""
    worker = Worker(flow_active=flow_active)
    await worker.rounds.run()
    assert (("brought in", 0) in worker.done) is flow_active
