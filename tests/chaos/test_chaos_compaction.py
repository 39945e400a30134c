"""Compaction takes what accounts contributed, all but the last record of each person: the rows still have all of it."""

import asyncio
import itertools

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.clock import system_clock
from pipeline.kafka import client_options
from pipeline.settings import Settings
from schemas import AccountContribution, Engagement, Identity
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.history import counted, held_by_reader
from tests.support.observed import read_scores
from tests.support.topics import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.chaos, pytest.mark.timeout(300)]

AT_ONCE = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1",
    "min.cleanable.dirty.ratio": "0.001",
    "segment.ms": "1000",
}
"""What a deployment would never set: it leaves everything for a day (`pipeline.topics`)."""
ACCOUNTS = [f"n:account{number}" for number in range(5)]
PERSON = "n:person"
_CONTRIBUTION = msgspec.json.Decoder(AccountContribution)


async def create(settings: Settings, name: str) -> None:
    """Create a topic that is compacted as soon as it can be."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(settings.topic_prefix + name, settings.partitions, 1, topic_configs=AT_ONCE)]
        )
    finally:
        await admin.close()


async def publish(settings: Settings, records: list[Engagement | Identity]) -> None:
    """Publish records as an agent does."""
    publisher = Publisher(settings)
    await publisher.start()
    await publisher.publish(Routes(settings).route(records))
    await publisher.flush()
    await publisher.stop()


def likes(settings: Settings) -> int:
    """Return the likes of the person, with those of all accounts."""
    return counted(held_by_reader(asyncio.run(read_scores(settings))).values()).get(PERSON, {}).get("like", 0)


def contributors(settings: Settings) -> set[str]:
    """Return the accounts whose contributions are still in the topic."""
    records = asyncio.run(read_topic(settings, "contributions"))
    return {_CONTRIBUTION.decode(record.value).account for record in records if record.value is not None}


def test_a_persons_accounts_outlive_compaction_and_a_crash(kafka_cluster: Cluster) -> None:
    """The changelog has each account's newest contribution; the topic is only the way there."""
    cluster, numbers, sent = kafka_cluster, itertools.count(), 0
    settings = cluster.settings

    def like(*users: str) -> None:
        nonlocal sent
        sent += len(users)
        now = system_clock()
        events = [
            Engagement(f"n:{number}", "like", "n", f"n:x{number}", user, now)
            for user, number in zip(users, numbers, strict=False)
        ]
        asyncio.run(publish(settings, list(events)))

    asyncio.run(create(settings, "contributions"))
    worker = cluster.start("worker").wait_ready()
    like(PERSON, *ACCOUNTS)
    asyncio.run(publish(settings, [Identity(account, PERSON, system_clock()) for account in ACCOUNTS]))
    eventually(lambda: likes(settings) == sent, 60, "the person has all accounts")

    def is_compacted() -> bool:
        # Only a segment that a later record has closed is compacted.
        like(ACCOUNTS[0])
        return contributors(settings) < set(ACCOUNTS)

    eventually(is_compacted, 120, "compaction has taken the contributions of some accounts")
    assert worker.kill() == -9
    cluster.start("worker").wait_ready()
    like(ACCOUNTS[1], PERSON)
    eventually(lambda: likes(settings) == sent, 60, "the person still has all accounts")
