"""A worker that leaves its group at a bad moment holds nobody else up."""

import asyncio

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
    other = cluster.start("worker")
    eventually(lambda: held(other) == set(range(cluster.settings.partitions)), 60, "another one has taken over")
