"""What the worker cannot write it does not commit: it ends with a message, and the next one makes up for it."""

import asyncio
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.kafka import client_options
from pipeline.settings import Settings
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.history import counted, doubled, held_by_reader, lost
from tests.support.kafka import Kafka
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.support.observed import committed, metrics, read_scores, wait_for_rest

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

SMALL: Final = {"max.message.bytes": "4000"}
"""A handful of rows fits, the batches of a busy round do not."""
TOO_SMALL: Final = {"max.message.bytes": "100"}
"""Not a single row fits."""
USUAL: Final = {"max.message.bytes": "1048588"}


def changelog(settings: Settings) -> str:
    """Return the name of the worker's changelog."""
    return settings.topic_prefix + "worker-engagement-changelog"


async def create_changelog(settings: Settings, config: dict[str, str]) -> None:
    """Create it before the worker does."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    changelog(settings), settings.partitions, 1, topic_configs={"cleanup.policy": "compact", **config}
                )
            ]
        )
    finally:
        await admin.close()


async def configure_changelog(settings: Settings, config: dict[str, str]) -> None:
    """Change its configuration."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, changelog(settings), configs=config)])
    finally:
        await admin.close()


def test_a_changelog_that_refuses_a_write_stops_the_worker_before_the_commit(kafka_cluster: Cluster) -> None:
    """Nothing is committed that is not in the changelog, also not while it stops; later everything is counted."""
    settings = kafka_cluster.settings
    asyncio.run(create_changelog(settings, SMALL))
    ledger = Ledger(1)
    worker = kafka_cluster.start("worker").wait_ready()
    with Load(settings, ledger, 2_000):
        eventually(lambda: "did not acknowledge" in worker.output(), 60, "a write is refused")
        eventually(lambda: not worker.is_running(), 60, "the worker ends")
    assert worker.child.status() not in {0, None}
    asyncio.run(configure_changelog(settings, USUAL))
    successor = kafka_cluster.start("worker").wait_ready()
    wait_for_rest([successor], ledger.records)
    found = counted(held_by_reader(asyncio.run(read_scores(settings))).values())
    assert lost(ledger.expected(), found) == doubled(ledger.expected(), found) == []
    assert successor.stop() == 0


def test_where_no_row_was_ever_written_nothing_is_committed(kafka_cluster: Cluster) -> None:
    """Neither by the round that failed nor by the last one of a worker that stops; and it says what to look at."""
    settings = kafka_cluster.settings
    asyncio.run(create_changelog(settings, TOO_SMALL))
    worker = kafka_cluster.start("worker").wait_ready()
    with Load(settings, Ledger(1), 2_000):
        eventually(lambda: not worker.is_running(), 60, f"the worker ends; its log is {worker.log}")
    assert worker.child.status() not in {0, None}
    assert asyncio.run(committed(settings)) <= {None, 0}
    assert "whether its disk is full" in worker.output()
    assert "Traceback" not in worker.output()


def test_a_broker_that_hangs_does_not_keep_the_worker_from_stopping(
    own_kafka: Kafka, own_kafka_cluster: Cluster
) -> None:
    """It ends soon, in the middle of a round; what it could not write is read again by the next one."""
    settings = own_kafka_cluster.settings
    ledger = Ledger(1)
    worker = own_kafka_cluster.start("worker").wait_ready()
    with Load(settings, ledger, 2_000):
        eventually(lambda: metrics(worker).total("clout_score_updates_emitted_total") > 0, 60, "scores are emitted")
    own_kafka.freeze()
    try:
        assert worker.stop() == 0
    finally:
        own_kafka.thaw()
    successor = own_kafka_cluster.start("worker").wait_ready()
    wait_for_rest([successor], ledger.records)
    found = counted(held_by_reader(asyncio.run(read_scores(settings))).values())
    assert lost(ledger.expected(), found) == doubled(ledger.expected(), found) == []
    assert successor.stop() == 0
