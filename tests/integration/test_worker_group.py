"""A worker that leaves its group at a bad moment holds nobody else up."""

import asyncio
import os
import signal

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import MemberIdRequired, NoError, for_code
from aiokafka.protocol.group import JoinGroupRequest

from pipeline.kafka import client_options
from pipeline.settings import Settings
from tests.chaos.trial import held
from tests.support.cluster import Cluster
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

FAUST = "faust"
"""The protocol that workers of a group agree upon."""


async def ask_to_join(settings: Settings) -> None:
    """Begin to join a worker's group, so that it forms anew, and come no more."""
    client = AIOKafkaClient(**client_options(settings))
    await client.bootstrap()
    try:
        (broker,) = client.cluster.brokers()
        group, session_ms = settings.topic_prefix + "worker", int(settings.session_timeout_s * 1000)
        request = JoinGroupRequest(group, session_ms, session_ms, "", None, "consumer", [(FAUST, b"")])
        answer = await client.send(broker.nodeId, request)
        assert for_code(answer.error_code) in {MemberIdRequired, NoError}
    finally:
        await client.close()


def test_a_leader_that_leaves_while_the_group_forms_holds_nobody_up(cluster: Cluster) -> None:
    """The embedded broker would go on waiting for its plan."""
    leader = cluster.start("worker").wait_ready()
    asyncio.run(ask_to_join(cluster.settings))
    assert leader.stop() == 0
    is_taken_over(cluster)


def test_workers_that_are_stopped_together_hold_nobody_up(cluster: Cluster) -> None:
    """One of them leads, and others leave while it does."""
    workers = [cluster.start("worker") for _ in range(3)]
    eventually(lambda: all(held(worker) for worker in workers), 120, "each has its share")
    for worker in workers:
        os.kill(worker.pid, signal.SIGTERM)
    assert [worker.stop() for worker in workers] == [0, 0, 0]
    is_taken_over(cluster)


def is_taken_over(cluster: Cluster) -> None:
    """Start another worker and wait until it has everything."""
    other = cluster.start("worker")
    eventually(lambda: held(other) == set(range(cluster.settings.partitions)), 60, "another one has taken over")
