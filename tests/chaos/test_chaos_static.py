"""Static membership: a worker that is back within the session timeout has its partitions, and nobody else noticed."""

import pytest

from tests.chaos.trial import Trial, held
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.observed import metrics

pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.timeout(300)]

SESSION_S = "45"
"""Longer than a worker needs to start, on a busy machine too."""


def static_worker(trial: Trial, name: str) -> Role:
    """Start a worker that the group knows by name."""
    return trial.worker(CLOUT_GROUP_INSTANCE_ID=name, CLOUT_SESSION_TIMEOUT_S=SESSION_S)


def rebalances(worker: Role) -> int:
    """Return how often the group gave a worker its partitions."""
    return int(metrics(worker).total("clout_rebalances_total"))


def recoveries(worker: Role) -> int:
    """Return how often a worker has read partitions back from the changelog."""
    return int(metrics(worker).total("clout_recovery_duration_seconds_count"))


def test_a_worker_that_is_restarted_moves_no_partition(kafka_trial: Trial) -> None:
    """Killed, then stopped: each time the other worker goes on undisturbed, and each event counts once."""
    everything = set(range(kafka_trial.cluster.settings.partitions))
    first, other = static_worker(kafka_trial, "first"), static_worker(kafka_trial, "other")
    first.wait_ready(60)
    other.wait_ready(60)

    def shares() -> list[set[int]]:
        found = [held(first), held(other)]
        return found if all(found) and set.union(*found) == everything else []

    mine, theirs = eventually(shares, 120, "each has its share")
    before = rebalances(other), recoveries(other)
    with kafka_trial.load(300):
        for end in ("kill", "stop"):
            kafka_trial.wait_until_it_folds(first)
            if end == "kill":
                kafka_trial.kill(first)
            else:
                assert first.stop() == 0
            folded = metrics(other).received
            first = static_worker(kafka_trial, "first")
            kafka_trial.wait_until_it_folds(first)
            eventually(lambda than=folded: metrics(other).received > than, 60, "the other one has gone on")  # type: ignore[misc]
            eventually(lambda back=first: (held(back), held(other)) == (mine, theirs), 60, "each has its share still")  # type: ignore[misc]
            assert (rebalances(other), recoveries(other)) == before
            assert recoveries(first) == 1
    kafka_trial.settle([first, other])
    kafka_trial.check()
