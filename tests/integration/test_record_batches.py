"""Batches made from columns, and the brokers' own checks of them."""

import asyncio
import os

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.memory_records import MemoryRecords

from pipeline.kafka import client_options
from pipeline.record_batch import BATCH_BYTES
from pipeline.settings import Settings
from pipeline.state.packed import Packed
from pipeline.streams.batches import BatchWriter
from pipeline.topics import CHANGELOG, ensure_topics
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.kafka import Kafka
from tests.support.observed import metrics
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration

NOW = 1_700_000_000_000
HEADERS = [("offsets", b'{"likes":1}'), ("n", b"")]
ROWS = [
    *[(b"likes:%d" % n, os.urandom(1_000) + b"text" * 250) for n in range(2_000)],
    (b"gone", None),
    (None, b"no key"),
    (b"long", bytes(BATCH_BYTES * 3 // 2)),
]


async def write_and_read(settings: Settings) -> None:
    """Write in two flushes, with a record that the producer is given by itself in between."""
    await ensure_topics(settings)
    likes = settings.topic_prefix + "likes"
    async with AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=settings.idempotence
    ) as producer:
        for half in (ROWS[:1_000], ROWS[1_000:]):
            writer = BatchWriter(producer)
            for partition in range(2):
                writer.extend(likes, partition, *Packed.of_pairs(half), NOW, HEADERS)
                writer.add(likes, partition, b"k", b"single", NOW + 1)
            await asyncio.gather(writer.flush(), producer.send_and_wait(likes, b"stock", partition=2))
    held = [(r.partition, r.key, r.value, r.timestamp, list(r.headers)) for r in await read_topic(settings, "likes")]
    expected = [
        *[(key, value, NOW, HEADERS) for key, value in ROWS[:1_000]],
        (b"k", b"single", NOW + 1, []),
        *[(key, value, NOW, HEADERS) for key, value in ROWS[1_000:]],
        (b"k", b"single", NOW + 1, []),
    ]
    for partition in range(2):
        assert [record[1:] for record in held if record[0] == partition] == expected
    assert [record[2] for record in held if record[0] == 2] == [b"stock", b"stock"]


def test_the_embedded_broker_keeps_what_was_written(cluster: Cluster) -> None:
    """Without sequence numbers."""
    asyncio.run(write_and_read(cluster.settings))


@pytest.mark.kafka
def test_apache_kafka_accepts_batches_with_their_sequence_numbers(kafka_cluster: Cluster) -> None:
    """It checks lengths, offsets, the checksum and that each batch's numbers follow those of the one before."""
    assert kafka_cluster.settings.idempotence
    asyncio.run(write_and_read(kafka_cluster.settings))


@pytest.mark.kafka
def test_the_workers_batches_are_those_of_an_idempotent_producer(kafka: Kafka, kafka_cluster: Cluster) -> None:
    """In its changelog each has a producer's id: one that is sent twice is written once, and none overtakes another."""
    settings = kafka_cluster.settings
    worker = kafka_cluster.start("worker").wait_ready()
    agent = kafka_cluster.run("agent", "synthetic", "--events", "500", "--rate", "max")
    eventually(lambda: not agent.is_running(), 60, "the agent ends")
    assert agent.child.status() == 0, agent.output()
    eventually(lambda: metrics(worker).received >= 500, 60, "all partitions have rows")
    assert worker.stop() == 0
    for number in range(settings.partitions):
        batches = MemoryRecords(kafka.segments(settings.topic_prefix + CHANGELOG.name, number))
        ids = set()
        while batches.has_next():
            batch = batches.next_batch()
            ids.add(batch.producer_id)
            assert batch.base_sequence >= 0
        assert len(ids) == 1
        assert min(ids) >= 0
