"""What a worker does when it starts and while it has nothing to do."""

import asyncio
import re
import socket

import pytest

from pipeline.local.roles import ROLES
from tests.chaos.trial import Trial
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis
from tests.support.observed import metrics, read_scores
from tests.support.ports import free_port
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration


def test_a_worker_starts_without_a_data_directory(cluster: Cluster) -> None:
    """As on a fresh machine."""
    assert not cluster.settings.data_dir.exists()
    assert cluster.start("worker").wait_ready().stop() == 0


def test_a_worker_that_is_stopped_while_it_starts_ends_with_status_0(cluster: Cluster) -> None:
    """At any moment of its start, long before it is ready."""
    workers = [cluster.start("worker") for _ in range(2)]
    for worker in workers:
        eventually(worker.heeds_sigterm, 60, "the command has begun")
    assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.parametrize("role", ["worker", "sink", "serve"])
def test_a_role_whose_port_is_taken_says_so_in_one_line(cluster: Cluster, role: str) -> None:
    """As the second of two on one machine finds it. Nothing of a framework's stack is in it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = cluster.start(role, **{ROLES[role].port_setting: port})
        eventually(lambda: not process.is_running(), 60, f"the {role} ends")
    assert process.child.status() == 1
    *_, last = process.output().splitlines()
    assert port in last
    assert re.search("taken|in use", last)
    assert "choose another" in last
    assert "Traceback" not in process.output()
    assert len(process.output().splitlines()) <= 2


def test_a_document_names_the_score_before_it_across_a_restart(cluster: Cluster) -> None:
    """`previous` is what the document before said, also of scores that moved by little and were held back."""
    nemesis = Nemesis()
    trial = Trial(cluster, nemesis, Ledger(nemesis.seed, users=20))
    for _ in range(2):
        worker = trial.worker()
        with trial.load(400):
            for _ in range(3):
                trial.wait_until_it_folds(worker)
        trial.settle([worker])
        assert worker.stop() == 0
    before: dict[str, float] = {}
    for document in asyncio.run(read_scores(cluster.settings)):
        assert document.previous == before.get(document.user)
        before[document.user] = document.score
    assert len(before) == 20


def test_an_idle_worker_writes_nothing(cluster: Cluster) -> None:
    """The changelog does not grow at rest."""
    worker = cluster.start("worker").wait_ready()

    def rounds() -> float:
        return metrics(worker).total("clout_commit_round_duration_seconds_count")

    def records() -> int:
        return len(asyncio.run(read_topic(cluster.settings, "worker-engagement-changelog")))

    def is_still() -> bool:
        before, began = records(), rounds()
        eventually(lambda: rounds() >= began + 5, 60, "five rounds are over")
        return records() == before

    # When it gets its partitions, on a slow machine again, it writes a record for each.
    eventually(is_still, 60, "it writes nothing")
