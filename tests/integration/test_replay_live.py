"""The oracle while traffic goes on: what moves meanwhile is no difference, and what is wrong still is one."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.clock import system_clock
from pipeline.contributed import Disagreement
from pipeline.kafka import client_options
from pipeline.log_reader import LogReader
from pipeline.lookup import keys
from pipeline.pending import Newer, Pending
from pipeline.replay import Oracle
from pipeline.replay_report import Report
from pipeline.settings import Settings
from pipeline.stored import Comparison, Stored
from pipeline.topics import ensure_topics
from schemas import ScoreDocument
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.unit.state.log import contribution, documents, engagement, folded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

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


async def test_a_newer_document_is_looked_into(store: Redis, redis_url: str) -> None:
    """It may have come after the topic was read; of the same version it must be the same, and an older one is wrong."""
    held = {b"n:same": document(5), b"n:newer": document(6), b"n:other": document(5, 30.0), b"n:older": document(4)}
    await store.mset({b"clout:user:" + user: value for user, value in held.items()})
    found = await compared(redis_url, dict.fromkeys([*held, b"n:missing"], document(5)))
    assert found.newer == {"n:newer": Newer(6, document(6))}
    assert [text.split(": Redis holds")[0] for text in found.differences] == ["n:other", "n:older", "n:missing"]


async def test_a_document_that_was_sent_twice_is_one(store: Redis, redis_url: str) -> None:
    """After a crash the next owner sends some again, of the same version; Redis keeps the first."""
    first = msgspec.json.decode(document(5), type=ScoreDocument)
    again = msgspec.structs.replace(first, time=first.time + 1_000, previous=first.score)
    other = msgspec.structs.replace(again, score=30.0)
    await store.mset({"clout:user:n:a": document(5), "clout:user:n:b": document(5)})
    found = await compared(redis_url, {b"n:a": msgspec.json.encode(again), b"n:b": msgspec.json.encode(other)})
    assert [text.split(": Redis holds")[0] for text in found.differences] == ["n:b"]


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


def publish(settings: Settings, count: int) -> None:
    """Publish a like for each of some users."""

    async def send() -> None:
        publisher = Publisher(settings)
        await publisher.start()
        events = [engagement(target=f"bluesky:user{n}", time=system_clock()) for n in range(count)]
        await publisher.publish(Routes(settings).route(events))
        await publisher.flush()
        await publisher.stop()

    asyncio.run(send())


def written(user: str, version: int, score: float = 20.0) -> tuple[str, bytes]:
    """Return a record of the scores topic."""
    made = documents(folded(engagement(target=user)))[user]
    return user, msgspec.json.encode(msgspec.structs.replace(made, version=version, score=score))


async def write(settings: Settings, topic: str, *records: tuple[str, bytes | None]) -> TopicPartition:
    """Write records to the first partition of a topic; the first is what the oracle has read."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for key, value in records:
            await producer.send_and_wait(settings.topic_prefix + topic, value, key=key.encode(), partition=0)
    return TopicPartition(settings.topic_prefix + topic, 0)


async def test_a_newer_document_must_be_in_the_topic(settings: Settings) -> None:
    """Byte for byte, or a still newer one, for which compaction has removed it; what was read before does not count."""
    read, other = written("n:read", 6), written("n:other", 6)
    came, removed = written("n:came", 6), written("n:removed", 7)
    scores = await write(settings, "scores", read, came, removed, other, ("n:came", None))
    held = {
        "n:read": read[1],
        "n:came": came[1],
        "n:removed": written("n:removed", 6)[1],
        "n:other": written("n:other", 6, 30.0)[1],
        "n:never": written("n:never", 6)[1],
    }
    pending = Pending({scores: 1}, newer={user: Newer(6, value) for user, value in held.items()})
    async with LogReader(settings) as reader:
        await pending.wait(reader, patience_s=0)
    assert list(pending.newer) == ["n:read", "n:other", "n:never"]


async def test_what_comes_later_ends_the_wait(settings: Settings) -> None:
    """A newer document of whom one is owed, a newer contribution of who disagrees; an older one explains nothing."""
    scores = await write(settings, "scores", written("n:read", 9), written("n:late", 5))
    told = [contribution("n:account", version=version) for version in (3, 4)]
    records = [(sent.user, msgspec.json.encode(sent)) for sent in told]
    contributions = await write(settings, "contributions", *records)
    pending = Pending({scores: 1}, {contributions: 1}, {"n:late": 5, "n:new": -1, "n:read": 8})
    pending.disagreements = [Disagreement("n:account", version, "is wrong") for version in (3, 4)]
    async with LogReader(settings) as reader:
        await pending.wait(reader, patience_s=0)
        assert pending.owing == {"n:late": 5, "n:new": -1, "n:read": 8}
        assert [each.version for each in pending.disagreements] == [4]
        waiting = asyncio.create_task(pending.wait(reader, patience_s=1e6))
        await write(settings, "scores", written("n:late", 6), written("n:new", 1), written("n:read", 9))
        await write(
            settings, "contributions", (told[0].user, msgspec.json.encode(contribution("n:account", version=5)))
        )
        async with asyncio.timeout(60):
            await waiting
    assert not pending.owing
    assert not pending.disagreements


def test_a_document_that_the_topic_never_had_is_a_difference(cluster: Cluster) -> None:
    """Two deployments on one Redis, or Kafka lost and begun anew: Redis is ahead, and nothing will come."""
    settings = cluster.settings

    async def check() -> Report:
        stored = Stored(settings.redis)
        try:
            return await Oracle(settings, patience_s=0).check(stored)
        finally:
            await stored.close()

    async def tamper() -> None:
        async with Redis.from_url(settings.redis) as client:
            _, value = written("bluesky:user0", 1 << 40)
            assert await client.set("clout:user:bluesky:user0", value, xx=True)

    cluster.start("worker").wait_ready()
    cluster.start("sink").wait_ready()
    publish(settings, 5)
    eventually(lambda: (report := asyncio.run(check())).clean and report.users == 5, 60, "all is written")
    asyncio.run(tamper())
    (difference,) = asyncio.run(check()).differences
    assert difference.startswith("bluesky:user0: Redis holds b'{")
    assert difference.endswith("the topic never had it")


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
