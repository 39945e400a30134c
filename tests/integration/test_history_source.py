"""History on a real broker: handed over while it keeps up, read from the topic while it does not, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pipeline.lookup.history import relay as relay_module
from pipeline.lookup.history.outlets import HISTORY_POINTS, SCORE_POINTS
from pipeline.lookup.history.relay import HandedBatch, Relay
from pipeline.lookup.history.source import HistorySource
from pipeline.lookup.sink.chunks import Batch, Tally, chunks
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.source import Source
from pipeline.settings import Settings
from tests.integration.test_sink import publish
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration

PATIENCE = 300
"""Fetches of 200 ms before a test gives up."""


class Pair:
    """Both sources, fetched by hand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.relay = Relay()
        self.scores = Source(settings, [SCORES], 50)
        self.history = HistorySource(settings, 50, self.scores, self.relay)
        self.topic = settings.topic_prefix + "scores"

    def seek(self, position: int = 0) -> None:
        """Let both go on from `position` of every partition of scores."""
        self.scores.seek(dict.fromkeys(self.scores.fields(), position))
        self.seek_history(position)

    def seek_history(self, position: int) -> None:
        """Let history alone go on from `position` of every partition of scores."""
        fields = {name: position if "history/" + self.topic in name else 0 for name in self.history.fields()}
        self.history.seek(fields)

    async def publish_one_each(self, version: int) -> int:
        """Publish a document in each partition, and return how many that is."""
        documents = one_each(self.settings, version)
        await asyncio.to_thread(publish, self.settings, documents)
        return len(documents)

    async def read_scores(self, count: int) -> None:
        """Read so many records of scores and hand them over."""
        while count > 0:
            batches = await self.scores.fetch(200)
            self.scores.rewound()
            for batch in batches:
                list(chunks([batch], Tally(), self.relay.hand))
                count -= len(batch.records)

    async def points(self, count: int) -> Sequence[Batch]:
        """Return the next batches of history, with so many points in all."""
        found: list[Batch] = []
        for _ in range(PATIENCE):
            found += await self.history.fetch(200)
            if sum(len(list(batch.writes(Tally()))) for batch in found) >= count:
                return found
        pytest.fail(f"only {found} after {PATIENCE} fetches")


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[Pair]:
    """Sources that are connected."""
    pair = Pair(settings)
    try:
        await pair.scores.start()
        await pair.history.start()
        yield pair
    finally:
        await pair.scores.stop()
        await pair.history.stop()


def one_each(settings: Settings, version: int) -> dict[str, bytes | None]:
    """Return a document for each of as many users as there are partitions, which lie in one each."""
    users = {sum(f"x:{n}".encode()) % settings.partitions: f"x:{n}" for n in range(10)}
    return {user: score_bytes(user, version=version) for user in users.values()}


async def test_history_is_handed_over_then_reads_and_is_handed_over_again(pair: Pair) -> None:
    """After a step back, which only the topic can serve, it meets the lane of scores again."""
    first, second, third = (one_each(pair.settings, version) for version in (1, 2, 3))
    size = len(first)
    await asyncio.to_thread(publish, pair.settings, first)
    pair.seek()
    await pair.read_scores(size)
    handed = await pair.points(size)
    assert all(isinstance(batch, HandedBatch) for batch in handed)
    assert {(batch.partition, batch.position, batch.end) for batch in handed} == {
        (partition, 0, 1) for partition in {batch.partition for batch in handed}
    }

    pair.seek_history(0)
    read = await pair.points(size)
    assert all(batch.outlet is SCORE_POINTS and not isinstance(batch, HandedBatch) for batch in read)

    await asyncio.to_thread(publish, pair.settings, second)
    await pair.read_scores(size)
    assert [batch.position for batch in await pair.points(size)] == [1] * size

    await asyncio.to_thread(publish, pair.settings, third)
    await pair.read_scores(size)
    again = await pair.points(size)
    assert all(isinstance(batch, HandedBatch) for batch in again)
    assert [batch.position for batch in again] == [2] * size


async def test_history_knows_the_ends_of_logs_that_it_does_not_read(pair: Pair) -> None:
    """It has caught up when it has taken all that the lane of scores knows of."""
    documents = one_each(pair.settings, 1)
    await asyncio.to_thread(publish, pair.settings, documents)
    pair.seek()
    await pair.read_scores(len(documents))
    await pair.points(len(documents))
    for _ in range(PATIENCE):
        await pair.scores.fetch(200)
        await pair.history.fetch(200)
        ends = pair.history.ends()
        if ends is not None:
            break
    assert ends is not None
    assert pair.history.reached(ends)
    assert sum(end for partition, end in ends.items() if partition.topic == pair.topic) == len(documents)
    assert {partition.topic for partition in ends} == {pair.topic, pair.settings.topic_prefix + HISTORY_POINTS.topic}


async def test_history_that_reads_again_does_not_take_an_old_answer_for_a_shorter_log(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it was handed over to, its own consumer heard nothing of where the log ends."""
    size = await pair.publish_one_each(1)
    pair.seek()
    await pair.points(size)
    await pair.read_scores(size)
    # Pauses the consumer, and waits for the fetch that is under way.
    assert await pair.history.fetch(200) == []

    await pair.publish_one_each(2)
    await pair.read_scores(size)
    assert all(isinstance(batch, HandedBatch) for batch in await pair.points(size))

    monkeypatch.setattr(relay_module, "_MOST", 0)
    await pair.publish_one_each(3)
    await pair.read_scores(size)
    found = [*await pair.history.fetch(0)]
    assert pair.history.rewound() == {}
    assert pair.history.ends() is None
    found += await pair.points(size)
    assert [batch.position for batch in found] == [2] * size
    assert pair.history.rewound() == {}


async def test_history_reads_a_log_that_began_anew_from_its_beginning(pair: Pair) -> None:
    """Also one that is longer than its position when it looks: the lane of scores has seen it."""
    size = await pair.publish_one_each(1)
    pair.scores.seek(dict.fromkeys(pair.scores.fields(), 2))
    await pair.read_scores(size)
    for version in (2, 3):
        await pair.publish_one_each(version)
        await pair.read_scores(size)

    pair.seek_history(2)
    assert [(batch.position, batch.end) for batch in await pair.points(size)] == [(0, 3)] * size
    fields = [name for name in pair.history.fields() if "history/" + pair.topic in name]
    assert pair.history.rewound() == dict.fromkeys(fields, 0)
    assert await pair.history.fetch(0) == []
    assert pair.history.rewound() == {}
