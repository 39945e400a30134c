"""The sink as a process: from real topics to a real Valkey, through restarts of either."""

import asyncio
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from aiokafka import AIOKafkaProducer

from pipeline.kafka import client_options
from pipeline.local.broker import broker_command, broker_environment, broker_is_ready
from pipeline.local.guard import Guard
from pipeline.lookup import keys
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.support.cluster import Broker, Cluster, Logged, Role, Valkey
from tests.support.eventually import eventually
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration


def publish(settings: Settings, documents: Mapping[str, bytes | None], topic: str = "scores") -> None:
    """Write records, each user's to a partition of its own choice that stays the same."""

    async def send() -> None:
        await ensure_topics(settings)
        async with AIOKafkaProducer(**client_options(settings)) as producer:
            for user, value in documents.items():
                partition = sum(user.encode()) % settings.partitions
                await producer.send(settings.topic_prefix + topic, value, key=user.encode(), partition=partition)
            await producer.flush()

    asyncio.run(send())


def metric(sink: Role, name: str) -> float:
    """Return the value of a metric of the sink."""
    with urllib.request.urlopen(f"{sink.url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))


@pytest.fixture
def store(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the test's database."""
    with redis.Redis.from_url(settings.redis) as client:
        yield client


def has(store: redis.Redis, user: str, value: bytes) -> bool:
    """Tell whether a user's document is this one."""
    return store.get(keys.user(user)) == value


def test_documents_reach_redis_with_their_metrics(cluster: Cluster, store: redis.Redis) -> None:
    """What is not newer is counted as stale; what does not decode is left out."""
    sink = cluster.start("sink").wait_ready()
    newest = score_bytes("x:a", 60, 2)
    publish(cluster.settings, {"x:a": newest, "x:b": score_bytes("x:b"), "x:bad": b"{"})
    publish(cluster.settings, {"x:a": details_bytes("x:a", {"x:b": 3})}, topic="details")
    eventually(lambda: has(store, "x:a", newest) and store.exists(keys.details("x:a")), 60, "documents are there")
    publish(cluster.settings, {"x:a": score_bytes("x:a", 10, 1)})
    eventually(lambda: metric(sink, "clout_score_updates_stale_total") == 1, 60, "the older document was counted")
    assert has(store, "x:a", newest)
    eventually(lambda: metric(sink, "clout_score_updates_stored_total") == 2, 60, "the others were counted")
    eventually(lambda: metric(sink, "clout_score_updates_refused_total") == 1, 60, "the bad record was counted")
    assert store.zscore(keys.influencers("x:b"), "x:a") == 3
    assert sink.stop() == 0
    assert "Traceback" not in sink.output()


def test_a_restarted_sink_goes_on_where_it_stood(cluster: Cluster, store: redis.Redis) -> None:
    """Also after a kill: offsets are in Redis, beside the documents that they cover."""
    sink = cluster.start("sink").wait_ready()
    publish(cluster.settings, {"x:a": score_bytes("x:a")})
    eventually(lambda: store.exists(keys.user("x:a")), 60, "the first document is there")
    sink.kill()
    publish(cluster.settings, {"x:b": score_bytes("x:b")})
    sink = cluster.start("sink").wait_ready()
    eventually(lambda: store.exists(keys.user("x:b")), 60, "the second document is there")
    eventually(lambda: metric(sink, "clout_score_updates_stored_total") == 1, 60, "it was counted")
    assert metric(sink, "clout_score_updates_stale_total") == 0


def test_an_emptied_redis_is_filled_again_with_one_reset(cluster: Cluster, store: redis.Redis) -> None:
    """Without a restart of the sink, and without a new record that would show the loss."""
    sink = cluster.start("sink").wait_ready()
    documents = {f"x:{number}": score_bytes(f"x:{number}") for number in range(50)}
    publish(cluster.settings, documents)
    eventually(lambda: store.zcard(keys.RANK) == 50, 60, "all documents are there")
    store.flushdb()
    eventually(lambda: store.zcard(keys.RANK) == 50, 60, "all documents are there again")
    eventually(lambda: store.exists(keys.CHANGES), 60, "the rebuild is over")
    entries: Any = store.xrange(keys.CHANGES)
    assert [fields for _, fields in entries] == [{b"reset": b"rebuilt"}]
    publish(cluster.settings, {"x:0": score_bytes("x:0", 60, 2)})
    eventually(lambda: store.xlen(keys.CHANGES) == 2, 60, "changes are told one by one again")
    assert sink.stop() == 0


def test_a_restarted_redis_is_filled_again(
    own_cluster: Cluster, own_valkey: Valkey, guard: Guard, tmp_path: Path
) -> None:
    """A kill of Redis loses everything; the sink waits for its return and loses nothing."""
    sink = own_cluster.start("sink").wait_ready()
    publish(own_cluster.settings, {"x:a": score_bytes("x:a")})
    with redis.Redis.from_url(own_cluster.settings.redis) as store:
        eventually(lambda: store.exists(keys.user("x:a")), 60, "the document is there")
    own_valkey.kill()
    publish(own_cluster.settings, {"x:b": score_bytes("x:b")})
    returned = Returned(own_valkey, guard, tmp_path)
    own_cluster.processes.append(returned)
    with redis.Redis.from_url(own_cluster.settings.redis) as store:
        eventually(lambda: returned.answers(store), 60, "Redis is back")
        eventually(lambda: store.exists(keys.user("x:a"), keys.user("x:b")) == 2, 60, "both documents are there")
    assert sink.stop() == 0
    assert "Traceback" not in sink.output()


class Returned(Logged):
    """A Valkey on the port of one that was killed."""

    def __init__(self, killed: Valkey, guard: Guard, directory: Path) -> None:
        from pipeline.local.valkey import valkey_command

        super().__init__("valkey-returned", valkey_command(killed.port, directory), guard, directory)

    @staticmethod
    def answers(store: redis.Redis) -> bool:
        """Tell whether it answers."""
        try:
            return bool(store.ping())
        except redis.ConnectionError:
            return False


@pytest.mark.parametrize("absent", ["CLOUT_REDIS", "CLOUT_BROKER"])
def test_a_sink_that_waits_for_its_servers_stops_at_once(cluster: Cluster, absent: str) -> None:
    """It says what it waits for, without a traceback, and SIGTERM ends it."""
    nowhere = {"CLOUT_REDIS": "redis://127.0.0.1:9/0", "CLOUT_BROKER": "kafka://127.0.0.1:9"}[absent]
    sink = cluster.start("sink", **{absent: nowhere})
    eventually(lambda: "retry_scheduled" in sink.output(), 60, "it tells that it tries again")
    assert sink.stop() == 0
    assert "Traceback" not in sink.output()


def test_a_broker_that_begins_anew_is_read_from_its_beginning(
    own_cluster: Cluster, own_broker: Broker, guard: Guard, tmp_path: Path
) -> None:
    """The sink waits for it without a traceback, and newer documents of the new log count."""
    sink = own_cluster.start("sink").wait_ready()
    publish(own_cluster.settings, {f"x:{number}": score_bytes(f"x:{number}") for number in range(20)})
    with redis.Redis.from_url(own_cluster.settings.redis) as store:
        eventually(lambda: store.zcard(keys.RANK) == 20, 60, "all documents are there")
        own_broker.kill()
        returned = Logged(
            "broker-returned", broker_command(own_broker.port), guard, tmp_path, environment=broker_environment()
        )
        own_cluster.processes.append(returned)
        eventually(lambda: broker_is_ready(own_broker.port), 60, "the broker is back")
        newer = score_bytes("x:0", 60, 99)
        publish(own_cluster.settings, {"x:0": newer})
        eventually(lambda: has(store, "x:0", newer), 60, "the new document is there")
    assert sink.stop() == 0
    assert "Traceback" not in sink.output()
