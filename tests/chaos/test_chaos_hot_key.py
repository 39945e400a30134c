"""One user has most of the engagement, and a hundred thousand others share the rest."""

import math

import pytest

from tests.chaos.trial import Trial
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.observed import metrics

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

USERS = 100_000
EVENTS = 60_000
RATE = 3_000
LAG = 5 * RATE
"""Records that may wait at the broker: half of what comes while a worker is watched. One that stands still has more."""


def lag(worker: Role) -> float:
    """Return how many records wait at the broker by the worker's last round; infinite before the first."""
    by_partition = metrics(worker).by_label("clout_consumer_lag_records")
    return sum(by_partition.values()) if by_partition else math.inf


def keeps_up(trial: Trial, worker: Role, events: int) -> None:
    """Wait until what waited for the worker is worked off; then, while so many events come, it is never far behind."""
    eventually(lambda: lag(worker) < RATE, 120, "what waited is worked off")
    target = trial.ledger.records + events
    highest = 0.0

    def have_come() -> bool:
        nonlocal highest
        highest = max(highest, lag(worker))
        return trial.ledger.records > target

    eventually(have_come, 120, "events flow")
    assert highest < LAG, f"{highest:.0f} records waited; the log of the worker is {worker.log}"


def test_a_hot_key_among_many_users_is_kept_up_with_and_recovered(trial: Trial) -> None:
    """Four in five events go to one partition: its lag stays bounded, and a killed worker's rows are soon back."""
    trial.ledger = Ledger(trial.nemesis.seed, users=USERS, hot=0.8)
    trial.publish(trial.ledger.one_each())
    with trial.load(RATE):
        worker = trial.worker().wait_ready()
        for _ in range(2):
            keeps_up(trial, worker, EVENTS // 2)
            trial.kill(worker)
            worker = trial.worker().wait_ready()
            trial.wait_until_it_folds(worker)
    trial.settle([worker])
    trial.check()
    reading = metrics(worker)
    assert reading.total("clout_rows") == USERS
    assert reading.total("clout_recovery_duration_seconds_sum") < 10
    assert worker.stop() == 0
