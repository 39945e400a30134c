"""The group's memory is lost: the state in the changelog outlives it."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from pipeline.kafka import client_options
from tests.chaos.trial import Trial

pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.timeout(400)]


async def delete_group(trial: Trial) -> None:
    """Do what Kafka does to a group that was empty for a week: forget its offsets and its generation."""
    settings = trial.cluster.settings
    group = settings.topic_prefix + "worker"
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        response = await admin._send_request_to_node(await admin.find_coordinator(group), DeleteGroupsRequest([group]))
        assert response.results == [(group, 0)]
    finally:
        await admin.close()


def test_a_forgotten_group_loses_nothing_and_counts_nothing_twice(kafka_trial: Trial) -> None:
    """Its generations begin anew: rows written under a lower one than before must not be taken for a zombie's."""
    for _ in range(3):
        with kafka_trial.load():
            worker = kafka_trial.worker()
            kafka_trial.wait_until_it_folds(worker)
        kafka_trial.settle([worker])
        assert worker.stop() == 0
    asyncio.run(delete_group(kafka_trial))
    for _ in range(2):
        with kafka_trial.load():
            worker = kafka_trial.worker()
            kafka_trial.wait_until_it_folds(worker)
            kafka_trial.nemesis.moment(1.0, 2.0)
        kafka_trial.settle([worker])
        kafka_trial.check()
        kafka_trial.kill(worker)
