"""Several workers that join, leave, die and freeze under load: every acknowledged event is counted once."""

import pytest

from tests.chaos.trial import Trial, held, recovered
from tests.support.cluster import Role
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def join_and_leave(trial: Trial, kills: int, most: int = 3) -> None:
    """Let workers join, leave on SIGTERM and be killed, in random order, until so many were killed."""
    trial.store()
    with trial.load():
        workers = [trial.worker() for _ in range(most)]
        eventually(lambda: all(held(worker) for worker in workers), 120, f"{most} workers share the partitions")
        trial.wait_until_it_folds(workers[0])
        killed = stopped = 0
        while killed < kills or not stopped:
            if len(workers) == 1 or (len(workers) < most and trial.nemesis.chance(0.6)):
                workers.append(trial.worker())
                trial.nemesis.note(f"{workers[-1].name} joins")
                if trial.nemesis.chance(0.5):
                    workers[-1].wait_ready()
            else:
                leaving = workers.pop(trial.nemesis.random.randrange(len(workers)))
                if killed < kills and trial.nemesis.chance(0.75):
                    if killed == kills - 1 and not any(trial.folded_when_killed):
                        trial.wait_until_it_folds(leaving)
                    trial.kill(leaving)
                    killed += 1
                else:
                    eventually(leaving.heeds_sigterm, 30, "the worker has begun")
                    trial.leave(leaving)
                    stopped += 1
            trial.nemesis.moment(0.2, 1.5)
    trial.settle(workers)
    trial.check()
    assert any(trial.folded_when_killed), "a worker was killed that had folded"
    for worker in workers:
        trial.leave(worker)


def restart_on_sigterm(trial: Trial, restarts: int) -> None:
    """Stop the worker at random moments and start it again; it ends with status 0 within 10 s."""
    trial.store()
    with trial.load():
        worker = trial.worker()
        for _ in range(restarts):
            trial.wait_until_it_folds(worker)
            trial.nemesis.moment(0.0, 1.0)
            trial.leave(worker)
            worker = trial.worker()
        trial.wait_until_it_folds(worker)
    trial.settle([worker])
    assert recovered(worker)[0] > 0
    trial.check()


def freeze_one_of_two(trial: Trial, freezes: int) -> None:
    """SIGSTOP one of two workers past its session, let the other take over, SIGCONT; then recover from it all."""
    trial.store()
    with trial.load():
        workers = [trial.worker().wait_ready(), trial.worker().wait_ready()]
        for number in range(freezes):
            frozen, other = workers[number % 2], workers[1 - number % 2]
            trial.wait_until_it_folds(frozen)
            trial.nemesis.moment(0.0, 1.0)
            frozen.freeze()
            trial.nemesis.note(f"SIGSTOP of {frozen.name}")
            take_over(trial, other)
            trial.nemesis.moment(1.0, 4.0)
            frozen.thaw()
            trial.nemesis.note(f"SIGCONT of {frozen.name}")
            trial.wait_until_it_folds(frozen)
    recover_from_it_all(trial, workers)


def take_over(trial: Trial, worker: Role) -> None:
    """Wait until a worker has all partitions."""
    everything = set(range(trial.cluster.settings.partitions))
    deadline_s = trial.cluster.settings.session_timeout_s + 30
    eventually(lambda: held(worker) == everything, deadline_s, f"{worker.name} has taken over")


def recover_from_it_all(trial: Trial, workers: list[Role]) -> None:
    """Check what the workers have counted; then kill them, and let another one go on with what they wrote."""
    trial.settle(workers)
    trial.check()
    for worker in workers:
        trial.kill(worker)
    with trial.load():
        successor = trial.worker()
        trial.wait_until_it_folds(successor)
        trial.nemesis.moment(1.0, 2.0)
    trial.settle([successor])
    trial.check()


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_workers_that_join_and_leave_for_long_count_each_event_once(trial: Trial) -> None:
    """Twenty kills."""
    join_and_leave(trial, 20)


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_worker_restarted_by_sigterm_counts_each_event_once(trial: Trial) -> None:
    """A clean stop commits what it folded."""
    restart_on_sigterm(trial, 4)


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_worker_that_was_frozen_past_its_session_counts_nothing_twice(trial: Trial) -> None:
    """Neither then, nor after the next recovery: its late writes are told from its successor's."""
    freeze_one_of_two(trial, 2)
