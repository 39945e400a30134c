"""
What a worker has folded is committed when it gives partitions up: at a rebalance, and when it is told to stop.

Nothing else commits here: the next round is an hour away.
"""

import asyncio
import sys

import pytest
from aiokafka import TopicPartition

from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from tests.chaos.trial import Trial, held
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.observed import metrics
from tests.support.topics import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

Offsets = dict[TopicPartition, int]


def begin(trial: Trial) -> Role:
    """Start a worker without rounds, publish, and wait until it has folded all of it and committed nothing."""
    worker = start_without_rounds(trial).wait_ready()
    with trial.load():
        trial.nemesis.moment(0.5, 1.5)
    records = trial.ledger.records
    assert records > 0
    eventually(lambda: metrics(worker).received == records, 60, f"{records} records are folded; log {worker.log}")
    committed, ends = asyncio.run(offsets(trial.cluster.settings))
    assert sum(ends.values()) == records
    assert not any(committed.values()), "only what gives partitions up commits here"
    return worker


def start_without_rounds(trial: Trial) -> Role:
    """Start a worker whose first round is an hour away."""
    command = [sys.executable, "-m", "tests.chaos.telling_worker"]
    return trial.cluster.start("worker", command=command, CLOUT_COMMIT_INTERVAL_S="3600")


async def offsets(settings: Settings) -> tuple[Offsets, Offsets]:
    """Return what the group has committed, 0 where that is nothing, and the ends, of all engagement topics."""
    ends = {
        TopicPartition(settings.topic_prefix + topic, number): 0
        for topic in ENGAGEMENT_TOPICS
        for number in range(settings.partitions)
    }
    # Read, not asked for: the embedded broker, asked for the end, names the offset of its last batch.
    for topic in ENGAGEMENT_TOPICS:
        for record in await read_topic(settings, topic):
            ends[TopicPartition(settings.topic_prefix + topic, record.partition)] = record.offset + 1
    async with LogReader(settings, group=settings.topic_prefix + "worker") as reader:
        committed = await reader.committed(ends)
    return {tp: offset or 0 for tp, offset in committed.items()}, ends


def stop(trial: Trial) -> None:
    """Stop the worker: all that it has folded is committed, and the next one goes on there."""
    worker = begin(trial)
    assert worker.stop(10) == 0
    committed, ends = asyncio.run(offsets(trial.cluster.settings))
    assert committed == ends
    go_on(trial)


def share(trial: Trial) -> None:
    """Let a second worker join: of the partitions that it gets, all that the first one has folded is committed."""
    first = begin(trial)
    second = start_without_rounds(trial).wait_ready()
    given_up = held(second)
    assert given_up
    committed, ends = asyncio.run(offsets(trial.cluster.settings))
    assert {tp: committed[tp] for tp in ends if tp.partition in given_up} == {
        tp: end for tp, end in ends.items() if tp.partition in given_up
    }
    assert first.stop(10) == second.stop(10) == 0
    go_on(trial)


def go_on(trial: Trial) -> None:
    """Let another worker, with rounds, go on with what was committed: each event was counted once."""
    successor = trial.worker()
    with trial.load():
        trial.wait_until_it_folds(successor)
    trial.settle([successor])
    trial.check()
    assert successor.stop(10) == 0


def test_a_worker_that_is_stopped_commits_what_it_has_folded(trial: Trial) -> None:
    """The next one need not read it again."""
    stop(trial)


def test_a_worker_that_gives_partitions_up_commits_what_it_has_folded(trial: Trial) -> None:
    """Before another one gets them."""
    share(trial)


@pytest.mark.kafka
def test_a_worker_that_is_stopped_commits_what_it_has_folded_on_kafka(kafka_trial: Trial) -> None:
    """The same on Apache Kafka."""
    stop(kafka_trial)


@pytest.mark.kafka
def test_a_worker_that_gives_partitions_up_commits_what_it_has_folded_on_kafka(kafka_trial: Trial) -> None:
    """The same on Apache Kafka."""
    share(kafka_trial)
