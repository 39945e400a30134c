"""Batches made from columns, and the brokers' own checks of them."""

import asyncio
import os

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.kafka import client_options
from pipeline.record_batch import BATCH_BYTES
from pipeline.settings import Settings
from pipeline.state.packed import Packed
from pipeline.streams.batches import BatchWriter
from pipeline.topics import ensure_topics
from tests.support.cluster import Cluster
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
