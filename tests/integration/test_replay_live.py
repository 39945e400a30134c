"""The oracle while traffic goes on: what moves meanwhile is no difference, and what is wrong still is one."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiokafka import TopicPartition
from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.stored import Comparison, Stored
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.unit.state.log import documents, engagement, folded

pytestmark = pytest.mark.integration

SCORES = TopicPartition("t.scores", 3)
END = 10


def document(version: int, score: float = 20.0) -> bytes:
    """Return a score document."""
    made = documents(folded(engagement(target="n:a")))["n:a"]
    return msgspec.json.encode(msgspec.structs.replace(made, version=version, score=score))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    """A Redis that the sink has written up to the end of the topic."""
    client = Redis.from_url(redis_url)
    await client.hset(keys.SINK, keys.offset_field(*SCORES), str(END))
    yield client
    await client.aclose()


async def compared(redis_url: str, newest: dict[bytes, bytes], patience_s: float = 60.0) -> Comparison:
    """Compare Redis with what the topic had."""
    stored = Stored(redis_url, patience_s)
    try:
        return await stored.compare(SCORES, END, newest)
    finally:
        await stored.close()


async def test_a_newer_document_is_no_difference(store: Redis, redis_url: str) -> None:
    """It came after the topic was read; one of the same version must be the same, and an older one is wrong."""
    held = {b"n:same": document(5), b"n:newer": document(6), b"n:other": document(5, 30.0), b"n:older": document(4)}
    await store.mset({b"clout:user:" + user: value for user, value in held.items()})
    found = await compared(redis_url, dict.fromkeys([*held, b"n:missing"], document(5)))
    assert found.newer == 1
    assert [text.split(": Redis holds")[0] for text in found.differences] == ["n:other", "n:older", "n:missing"]


async def test_what_is_no_document_is_a_difference(store: Redis, redis_url: str) -> None:
    """Somebody else wrote it."""
    await store.set("clout:user:n:a", "nonsense")
    assert len((await compared(redis_url, {b"n:a": document(5)})).differences) == 1


async def test_the_sink_is_waited_for(store: Redis, redis_url: str) -> None:
    """What the topic had may be on its way to Redis; of a sink that does not run the differences tell."""
    await store.hset(keys.SINK, keys.offset_field(*SCORES), str(END - 1))
    assert len((await compared(redis_url, {b"n:a": document(5)}, patience_s=0.2)).differences) == 1
    comparing = asyncio.create_task(compared(redis_url, {b"n:a": document(5)}))
    await asyncio.sleep(0)
    await store.set("clout:user:n:a", document(5))
    await store.hset(keys.SINK, keys.offset_field(*SCORES), str(END))
    assert (await comparing) == Comparison()


def test_a_check_under_traffic_finds_no_difference(cluster: Cluster) -> None:
    """Scores, Redis and the log move on while they are read."""
    cluster.start("worker").wait_ready()
    cluster.start("sink").wait_ready()
    ledger = Ledger(7)
    with Load(cluster.settings, ledger, 200):
        eventually(lambda: ledger.records > 500, 60, "events flow")
        before = ledger.records
        check = cluster.run("replay", "--check")
        eventually(lambda: not check.is_running(), 150, f"the check ends; its log is {check.log}")
        assert ledger.records > before, "events flowed on"
    assert check.child.status() == 0, check.output()
    assert " 0 differences, 0 without a document, 0 behind" in check.output()
