"""In which order a plan is written."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import MembershipLostError
from pipeline.record_batch import RecordBatch
from pipeline.state.forgetting import farewells
from pipeline.state.partition import Partition
from pipeline.streams.lease import Heard, Lease
from pipeline.streams.plan import Outputs, Plan, write
from schemas import Identity
from tests.support.settings import make_settings
from tests.unit.state.log import engagement, fold, log_of


class Producer:
    """Acknowledges at once, and notes which topics were written."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    async def send_batch(self, batch: RecordBatch, topic: str, *, partition: int) -> Any:
        """Acknowledge a batch."""
        self.topics.append(topic)
        written = asyncio.get_running_loop().create_future()
        written.set_result(SimpleNamespace(offset=7))
        return written


class Group:
    """A group's coordinator, and the time of its member."""

    def __init__(self) -> None:
        self.time = 0.0
        self.member = True
        self.heard = Heard()

    async def lease(self) -> Lease:
        """Return a lease of 3 s that has just begun."""
        lease = Lease(self._ask, lambda: self.heard, 3.0, 3.0, lambda: self.time)
        await lease.renew()
        return lease

    async def _ask(self) -> bool:
        if self.member:
            self.heard = Heard(self.time, self.time)
        return self.member


OUTPUTS = Outputs.of(make_settings("kafka://x:1", "redis://x:1", Path("/nowhere")), "changelog")


async def test_a_forgotten_account_takes_its_leave_before_its_row_is_deleted() -> None:
    """The row alone knows whose it was: a crash in between must leave it, so that the next owner says it again."""
    identity = Identity(account="bluesky:a", user="bluesky:person", time=1_700_000_000_000)
    part, _ = fold(log_of(engagement(target="bluesky:a"), identity))
    leaving = farewells(part, ["bluesky:a"], 1)
    assert [each.user for each in leaving] == ["bluesky:person"]
    plan = Plan(part, rows=[(b"bluesky:a", None)], scores=[(b"bluesky:a", None)], farewells=leaving)
    producer: Any = Producer()
    rows = await write(plan, OUTPUTS, 1, await Group().lease(), producer)
    assert producer.topics == [OUTPUTS.contributions, "changelog", OUTPUTS.scores]
    assert [(batch.offset, batch.records) for batch in rows] == [(7, 1)]


async def test_a_plan_with_nothing_in_it_writes_nothing() -> None:
    """A partition at rest."""
    producer: Any = Producer()
    assert await write(Plan(Partition(0)), OUTPUTS, 1, await Group().lease(), producer) == []
    assert producer.topics == []


@pytest.mark.parametrize("still", [False, True])
async def test_rows_that_land_late_are_told_of_by_a_member_only(still: bool) -> None:
    """The successor of who is none may have told more of these users, in documents of a lower version."""
    group = Group()
    lease = await group.lease()

    class Frozen(Producer):
        """Stands still before its first batch goes out."""

        async def send_batch(self, batch: RecordBatch, topic: str, *, partition: int) -> Any:
            group.time, group.member = 10.0, still
            return await super().send_batch(batch, topic, partition=partition)

    producer: Any = Frozen()
    plan = Plan(Partition(0), rows=[(b"bluesky:a", b"row")], scores=[(b"bluesky:a", b"{}")])
    writing = write(plan, OUTPUTS, 1, lease, producer)
    if still:
        await writing
        assert producer.topics == ["changelog", OUTPUTS.scores]
    else:
        with pytest.raises(MembershipLostError):
            await writing
        assert producer.topics == ["changelog"]


async def test_rows_whose_turn_comes_late_are_written_by_a_member_only() -> None:
    """A round may take long: its last partition is another worker's by then."""
    group = Group()
    lease = await group.lease()
    group.time, group.member = 3.1, False
    producer: Any = Producer()
    with pytest.raises(MembershipLostError):
        await write(Plan(Partition(0), rows=[(b"bluesky:a", b"row")]), OUTPUTS, 1, lease, producer)
    assert producer.topics == []
