"""State that the worker cannot use: it ends with what is wrong and what to do, and commits nothing."""

import asyncio
import re

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.state.sources import SOURCES
from pipeline.topics import CHANGELOG, ensure_topics
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually, eventually_async
from tests.support.ledger import Ledger
from tests.support.observed import committed, wait_for_rest
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


async def create(settings: Settings, name: str, partitions: int) -> None:
    """Create a topic before anyone else does."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(settings.topic_prefix + name, partitions, 1)])
    finally:
        await admin.close()


async def grow(settings: Settings, name: str) -> None:
    """Give a topic one partition more, as an administrator may while everything runs."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_partitions({settings.topic_prefix + name: NewPartitions(settings.partitions + 1)})
    finally:
        await admin.close()


async def publish(settings: Settings) -> None:
    """Publish some events: a worker that went on would commit them."""
    publisher = Publisher(settings)
    await publisher.start()
    await publisher.publish(Routes(settings).route(Ledger(1).issue(200)))
    await publisher.flush()
    await publisher.stop()


async def write_likes(settings: Settings) -> None:
    """Write some likes beside a topic that is wrong: a publisher would refuse to, as the worker does."""
    await create(settings, "likes", settings.partitions)
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for chunk in Routes(settings).route([event for event in Ledger(1).issue(200) if event.kind == "like"]):
            for key, value in zip(chunk.keys, chunk.values, strict=True):
                await producer.send(settings.topic_prefix + "likes", value, key=key, partition=chunk.partition)


async def write_row(settings: Settings, key: bytes, value: bytes) -> None:
    """Write a record to every partition of the changelog."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for number in range(settings.partitions):
            await producer.send_and_wait(settings.topic_prefix + CHANGELOG.name, value, key=key, partition=number)


async def delete(settings: Settings, name: str) -> None:
    """Delete a topic; whoever starts next makes it anew."""
    topic = settings.topic_prefix + name
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()

    async def is_gone() -> bool:
        return topic not in await admin.list_topics()

    try:
        await admin.delete_topics([topic])
        await eventually_async(is_gone, 30, f"{topic} is deleted")
    finally:
        await admin.close()


async def trim(settings: Settings, partition: TopicPartition) -> None:
    """Remove the first record of a partition, as a retention would: Kafka does so only where the policy allows it."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        changed = ConfigResource(ConfigResourceType.TOPIC, partition.topic, {"cleanup.policy": "compact,delete"})
        await admin.alter_configs([changed])
        await admin.delete_records({partition: RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()


async def abort(settings: Settings) -> None:
    """Begin to write to every partition of the changelog in a transaction, and abort it."""
    await ensure_topics(settings)
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=f"{settings.topic_prefix}aborts")
    async with producer:
        await producer.begin_transaction()
        for number in range(settings.partitions):
            await producer.send_and_wait(settings.topic_prefix + CHANGELOG.name, b"?", key=b"n:user1", partition=number)
        await producer.abort_transaction()


def ended(worker: Logged) -> str:
    """Wait until a worker has ended with an error, and return what it said."""
    eventually(lambda: not worker.is_running(), 60, f"the worker ends; its log is {worker.log}")
    assert worker.child.status() not in {0, None}
    return worker.output()


@pytest.mark.parametrize("name", [CHANGELOG.name, "shares"])
def test_a_topic_with_another_partition_count_ends_the_worker(cluster: Cluster, name: str) -> None:
    """Rows and events of one user would lie in different partitions: the changelog as well as a source."""
    asyncio.run(create(cluster.settings, name, 3))
    asyncio.run(write_likes(cluster.settings))
    said = ended(cluster.start("worker"))
    assert (
        f"topic {cluster.settings.topic_prefix}{name} has 3 partitions, but CLOUT_PARTITIONS is 4: set it to 3" in said
    )
    assert "take a snapshot and restore it under another CLOUT_TOPIC_PREFIX" in said
    assert "Traceback" not in told(said)
    assert asyncio.run(committed(cluster.settings, "likes")) <= {None, 0}


def told(said: str) -> str:
    """Return the errors that the worker tells: what its framework says of threads that end is not ours."""
    return "\n".join(line for line in said.splitlines() if "Event loop is closed" not in line)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (b"\x63" + bytes(200), r"is of version 99 .*this program reads up to .*: upgrade it"),
        (b"\x02\x00\x00%c cut" % len(SOURCES), r"is cut off after 8 bytes"),
    ],
    ids=["of a newer version", "cut off"],
)
def test_a_row_that_cannot_be_read_ends_the_worker(cluster: Cluster, row: bytes, complaint: str) -> None:
    """Going on without it would lose what it holds."""
    settings = cluster.settings
    asyncio.run(write_row(settings, b"n:user1", row))
    asyncio.run(publish(settings))
    said = ended(cluster.start("worker"))
    assert "the changelog's row b'n:user1'" in said
    assert re.search(complaint, said)
    assert "Traceback" not in told(said)
    assert said.count("the changelog's row") == 1
    assert asyncio.run(committed(settings)) <= {None, 0}


@pytest.mark.kafka
def test_a_topic_that_gets_more_partitions_ends_the_worker(kafka_cluster: Cluster) -> None:
    """Agents would send users elsewhere from then on, away from their rows; it hears of it when it asks for news."""
    settings = kafka_cluster.settings
    worker = kafka_cluster.start("worker", CONSUMER_METADATA_MAX_AGE_MS="1000").wait_ready()
    asyncio.run(publish(settings))
    wait_for_rest([worker], 200)
    before = asyncio.run(committed(settings))
    asyncio.run(grow(settings, "shares"))
    said = ended(worker)
    assert f"topic {settings.topic_prefix}shares has a partition {settings.partitions}" in said
    assert "CLOUT_TOPIC_PREFIX" in said
    assert "Traceback" not in told(said)
    assert asyncio.run(committed(settings)) == before
    snapshot = kafka_cluster.run("snapshot")
    assert snapshot.child.wait(150) == 0, snapshot.output()


@pytest.mark.kafka
def test_a_changelog_that_was_deleted_ends_the_worker(kafka_cluster: Cluster) -> None:
    """What was committed will not be folded again, so going on would lose it without a word."""
    settings = kafka_cluster.settings
    worker = kafka_cluster.start("worker").wait_ready()
    asyncio.run(publish(settings))
    wait_for_rest([worker], 200)
    assert worker.stop() == 0
    before = asyncio.run(committed(settings))
    asyncio.run(delete(settings, CHANGELOG.name))
    said = ended(kafka_cluster.start("worker"))
    assert f"its changelog {settings.topic_prefix}{CHANGELOG.name} holds nothing of it" in said
    assert f"delete the group {settings.topic_prefix}worker" in said
    assert "Traceback" not in told(said)
    assert asyncio.run(committed(settings)) == before


@pytest.mark.kafka
def test_a_changelog_that_was_trimmed_ends_the_worker(kafka_cluster: Cluster) -> None:
    """Rows are gone, and nobody knows which: neither a worker nor a snapshot goes on with the others."""
    settings = kafka_cluster.settings
    worker = kafka_cluster.start("worker").wait_ready()
    asyncio.run(publish(settings))
    wait_for_rest([worker], 200)
    assert worker.stop() == 0
    before, trimmed = asyncio.run(committed(settings)), TopicPartition(settings.topic_prefix + CHANGELOG.name, 1)
    asyncio.run(trim(settings, trimmed))
    for command in ("worker", "snapshot"):
        said = ended(kafka_cluster.run(command, CLOUT_WORKER_PORT=str(free_port())))
        assert f"the changelog {trimmed.topic} of partition 1 begins at offset 1:" in said
        assert f"delete {trimmed.topic} and the group {settings.topic_prefix}worker" in said
        assert "Traceback" not in told(said)
    assert asyncio.run(committed(settings)) == before
    assert not list(settings.data_dir.glob("*snapshot*"))


@pytest.mark.kafka
def test_a_changelog_whose_last_offset_cannot_be_read_does_not_hold_up_the_worker(kafka_cluster: Cluster) -> None:
    """What an aborted transaction left has offsets and is never delivered: with rows before it, and without."""
    settings = kafka_cluster.settings
    asyncio.run(abort(settings))
    worker = kafka_cluster.start("worker").wait_ready()
    asyncio.run(publish(settings))
    (before,) = wait_for_rest([worker], 200)
    assert worker.stop() == 0
    asyncio.run(abort(settings))
    successor = kafka_cluster.start("worker").wait_ready()
    (after,) = wait_for_rest([successor], 200)
    assert after.fates() == before.fates()
    assert after.total("clout_rows") == before.total("clout_rows") > 0
    assert successor.stop() == 0
