"""Apache Kafka for tests: its log survives a SIGKILL."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.support.cluster import Cluster
from tests.support.kafka import Kafka
from tests.support.topics import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


async def write(settings: Settings, values: range) -> None:
    """Write records with an idempotent producer."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True) as producer:
        for value in values:
            await producer.send(settings.topic_prefix + "likes", b"%d" % value, partition=0)
        await producer.flush()


def test_a_killed_broker_keeps_what_it_acknowledged(own_kafka: Kafka, own_kafka_cluster: Cluster) -> None:
    """It starts again on the same port with the same log."""
    settings = own_kafka_cluster.settings
    asyncio.run(write(settings, range(100)))
    own_kafka.kill()
    own_kafka.start()
    asyncio.run(write(settings, range(100, 150)))
    assert [record.value for record in asyncio.run(read_topic(settings, "likes"))] == [b"%d" % n for n in range(150)]
