"""What a worker does when it starts and while it has nothing to do."""

import asyncio

import pytest

from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.observed import metrics, read_topic

pytestmark = pytest.mark.integration


def test_a_worker_starts_without_a_data_directory(cluster: Cluster) -> None:
    """As on a fresh machine."""
    assert not cluster.settings.data_dir.exists()
    assert cluster.start("worker").wait_ready().stop() == 0


def test_an_idle_worker_writes_nothing(cluster: Cluster) -> None:
    """The changelog does not grow at rest."""
    worker = cluster.start("worker").wait_ready()
    began = metrics(worker).total("clout_commit_round_duration_seconds_count")

    def rounds() -> float:
        return metrics(worker).total("clout_commit_round_duration_seconds_count") - began

    eventually(lambda: rounds() >= 5, 20, "five rounds are over")
    records = asyncio.run(read_topic(cluster.settings, "worker-engagement-changelog"))
    assert len(records) <= cluster.settings.partitions
