"""Retention removes what is old: the worker goes on where the logs begin, whether it had come there or not."""

import asyncio
from collections import Counter

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.kafka import client_options
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from tests.support.cluster import Cluster
from tests.support.history import counted, held_by_reader
from tests.support.ledger import Ledger
from tests.support.load import publish
from tests.support.observed import read_scores, wait_for_rest
from tests.support.topics import all_engagements

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

EVENTS = 2_000


async def trim(settings: Settings) -> None:
    """Remove half of what each partition of the engagement topics has, but for the last one's, which loses all."""
    parts = [
        TopicPartition(settings.topic_prefix + topic, number)
        for topic in ENGAGEMENT_TOPICS
        for number in range(settings.partitions)
    ]
    async with LogReader(settings) as reader:
        begins, ends = await reader.begins(parts), await reader.ends(parts)
    to = {tp: (begins[tp] + ends[tp]) // 2 if tp.partition < settings.partitions - 1 else ends[tp] for tp in parts}
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset) for tp, offset in to.items()})
    finally:
        await admin.close()


async def left(settings: Settings) -> "Counter[tuple[str, str]]":
    """Return how many engagements of each user and kind are in the log."""
    return Counter((event.target, event.kind) for event in await all_engagements(settings))


def scored(settings: Settings) -> "Counter[tuple[str, str]]":
    """Return how many the documents say."""
    held = counted(held_by_reader(asyncio.run(read_scores(settings))).values())
    return Counter({(user, kind): n for user, kinds in held.items() for kind, n in kinds.items() if n})


def test_what_retention_removed_holds_nothing_up(kafka_cluster: Cluster) -> None:
    """A worker that begins anew counts what is there; one that was away for too long goes on with what is left."""
    settings, ledger = kafka_cluster.settings, Ledger(1)
    asyncio.run(publish(settings, ledger.issue(EVENTS)))
    asyncio.run(trim(settings))
    first = asyncio.run(left(settings))
    assert 0 < first.total() < EVENTS
    worker = kafka_cluster.start("worker").wait_ready()
    wait_for_rest([worker], first.total())
    assert scored(settings) == first
    assert "records were removed before they were read" in worker.output()
    assert worker.stop() == 0

    asyncio.run(publish(settings, ledger.issue(EVENTS)))
    asyncio.run(trim(settings))
    asyncio.run(trim(settings))
    second = asyncio.run(left(settings))
    worker = kafka_cluster.start("worker").wait_ready()
    wait_for_rest([worker], first.total() + second.total())
    assert scored(settings) == first + second
    assert worker.stop() == 0
