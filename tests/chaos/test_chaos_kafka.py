"""The same trials on Apache Kafka, with idempotent producers; and the broker itself is killed."""

import resource

import pytest

from tests.chaos.crashing_worker import POINTS
from tests.chaos.test_chaos_crash_points import crash_at
from tests.chaos.test_chaos_many_workers import freeze_one_of_two, join_and_leave, restart_on_sigterm
from tests.chaos.test_chaos_one_worker import kill_again_and_again
from tests.chaos.trial import Trial
from tests.support.eventually import eventually
from tests.support.kafka import Kafka

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


def test_a_worker_killed_at_random_moments_counts_each_event_once(kafka_trial: Trial) -> None:
    """A few kills in every run."""
    kill_again_and_again(kafka_trial, 3)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_worker_killed_twenty_times_counts_each_event_once(kafka_trial: Trial) -> None:
    """Twenty kills."""
    kill_again_and_again(kafka_trial, 20)


def test_workers_that_join_and_leave_count_each_event_once(kafka_trial: Trial) -> None:
    """One kill in every run."""
    join_and_leave(kafka_trial, 1, most=2)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_workers_that_join_and_leave_for_long_count_each_event_once(kafka_trial: Trial) -> None:
    """Twenty kills."""
    join_and_leave(kafka_trial, 20)


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_worker_restarted_by_sigterm_counts_each_event_once(kafka_trial: Trial) -> None:
    """A clean stop commits what it folded."""
    restart_on_sigterm(kafka_trial, 4)


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_worker_that_was_frozen_past_its_session_counts_nothing_twice(kafka_trial: Trial) -> None:
    """Neither then, nor after the next recovery."""
    freeze_one_of_two(kafka_trial, 2)


@pytest.mark.parametrize(
    "point",
    [point if point in {"flushed", "emitted"} else pytest.param(point, marks=pytest.mark.chaos) for point in POINTS],
)
def test_a_crash_between_two_steps_of_a_round_counts_each_event_once(kafka_trial: Trial, point: str) -> None:
    """The next worker owes what the dead one had not emitted."""
    crash_at(kafka_trial, point)


def kill_the_broker(trial: Trial, broker: Kafka, kills: int) -> None:
    """SIGKILL the broker under load and start it again on its log; the worker is restarted when it gave up."""
    trial.store()
    with trial.load():
        worker = trial.worker()
        for _ in range(kills):
            trial.wait_until_it_folds(worker)
            trial.nemesis.moment(0.0, 2.0)
            assert broker.kill() == -9
            trial.nemesis.note("SIGKILL of the broker")
            trial.nemesis.moment(0.0, 2.0)
            broker.start()
            trial.nemesis.moment(0.0, 2.0)
            if not worker.is_running():
                trial.nemesis.note(f"{worker.name} had ended with status {worker.child.status()}")
                worker = trial.worker()
        trial.wait_until_it_folds(worker)
    trial.settle([worker], 90)
    trial.check()


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_killed_broker_loses_nothing_that_it_acknowledged(own_kafka_trial: Trial, own_kafka: Kafka) -> None:
    """Agents and workers wait for its return."""
    kill_the_broker(own_kafka_trial, own_kafka, 2)


@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux lets another process's limits be set")
def test_a_full_disk_at_the_broker_loses_nothing_that_it_acknowledged(own_kafka_trial: Trial, own_kafka: Kafka) -> None:
    """It refuses what it cannot write and ends; with room again, it and the worker go on from what was acknowledged."""
    trial = own_kafka_trial
    with trial.load(500):
        worker = trial.worker()
        trial.wait_until_it_folds(worker)
        trial.nemesis.moment(0.0, 2.0)
        # No file may grow any more: what the system says of a write is not what it says of a full disk, but as final.
        resource.prlimit(own_kafka.pid, resource.RLIMIT_FSIZE, (1, 1))
        trial.nemesis.note("the broker's disk is full")
        eventually(lambda: not own_kafka.is_running(), 60, f"the broker gives up; its log is {own_kafka.log}")
        trial.nemesis.moment(0.0, 2.0)
        own_kafka.kill()
        own_kafka.start()
        trial.nemesis.moment(0.0, 2.0)
        if not worker.is_running():
            assert "whether its disk is full" in worker.output(), worker.output()[-6000:]
            assert "Traceback" not in worker.output()
            worker = trial.worker()
        trial.wait_until_it_folds(worker)
    trial.settle([worker], 90)
    trial.check()
