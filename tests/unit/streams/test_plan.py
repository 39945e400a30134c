"""In which order a plan is written."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.record_batch import RecordBatch
from pipeline.state.forgetting import farewells
from pipeline.state.partition import Partition
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


async def test_a_forgotten_account_takes_its_leave_before_its_row_is_deleted() -> None:
    """The row alone knows whose it was: a crash in between must leave it, so that the next owner says it again."""
    identity = Identity(account="bluesky:a", user="bluesky:person", time=1_700_000_000_000)
    part, _ = fold(log_of(engagement(target="bluesky:a"), identity))
    leaving = farewells(part, ["bluesky:a"], 1)
    assert [each.user for each in leaving] == ["bluesky:person"]
    plan = Plan(part, rows=[(b"bluesky:a", None)], scores=[(b"bluesky:a", None)], farewells=leaving)
    outputs = Outputs.of(make_settings("kafka://x:1", "redis://x:1", Path("/nowhere")), "changelog")
    producer: Any = Producer()
    rows = await write(plan, outputs, 1, producer)
    assert producer.topics == [outputs.contributions, "changelog", outputs.scores]
    assert [(batch.offset, batch.records) for batch in rows] == [(7, 1)]


async def test_a_plan_with_nothing_in_it_writes_nothing() -> None:
    """A partition at rest."""
    outputs = Outputs.of(make_settings("kafka://x:1", "redis://x:1", Path("/nowhere")), "changelog")
    producer: Any = Producer()
    assert await write(Plan(Partition(0)), outputs, 1, producer) == []
    assert producer.topics == []
