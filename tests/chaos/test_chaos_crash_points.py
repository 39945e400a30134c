"""A crash exactly between two steps of a round: what was done is not done twice, what was not done is made up for."""

import sys
from typing import Final

import pytest

from tests.chaos.crashing_worker import POINTS
from tests.chaos.trial import Trial, recovered
from tests.support.cluster import Logged
from tests.support.eventually import eventually
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

AHEAD: Final = {"flushed", "half emitted", "emitted"}
"""Where rows are written and nothing is committed."""


def crashing_worker(trial: Trial, point: str, rounds: int) -> Logged:
    """Start a worker that dies at a point of a round."""
    cluster = trial.cluster
    # Scores move by little after the first documents: some emissions are always owed.
    environment = cluster.environment(CLOUT_WORKER_PORT=str(free_port()), CLOUT_EMIT_DELTA="50")
    command = [sys.executable, "-m", "tests.chaos.crashing_worker", point, str(rounds)]
    process = Logged("crashing-worker", command, cluster._guard, cluster._directory, environment)
    cluster.processes.append(process)
    return process


def crash_at(trial: Trial, point: str) -> None:
    """Crash one worker there under load, let another go on, and then more traffic flow."""
    trial.store()
    with trial.load():
        worker = crashing_worker(trial, point, trial.nemesis.random.randrange(4, 12))
        eventually(lambda: not worker.is_running(), 60, f"the worker reaches its crash; its log is {worker.log}")
    assert worker.child.status() == -9
    assert f"crash point reached: {point}" in worker.output()
    successor = trial.worker().wait_ready()
    rows, ahead = recovered(successor)
    assert rows > 0
    if point in AHEAD:
        assert ahead > 0, "records came again that were counted"
    trial.settle([successor])
    trial.check()
    with trial.load():
        trial.nemesis.moment(0.5, 1.0)
    trial.settle([successor])
    trial.check()
    assert successor.stop() == 0


@pytest.mark.chaos
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_between_two_steps_of_a_round_counts_each_event_once(trial: Trial, point: str) -> None:
    """The next worker owes what the dead one had not emitted."""
    crash_at(trial, point)
