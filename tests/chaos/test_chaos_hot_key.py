"""One user has most of the engagement, and a hundred thousand others share the rest."""

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
"""Records that may wait at the broker: some seconds of the traffic."""


def keeps_up(trial: Trial, worker: Role, target: int) -> None:
    """Wait until so many events have come, and the worker is not far behind."""
    eventually(lambda: trial.ledger.records > target, 120, "events flow")
    eventually(lambda: metrics(worker).total("clout_consumer_lag_records") < LAG, 60, "the lag is bounded")


def test_a_hot_key_among_many_users_is_kept_up_with_and_recovered(trial: Trial) -> None:
    """Four in five events go to one partition: its lag stays bounded, and a killed worker's rows are soon back."""
    trial.ledger = Ledger(trial.nemesis.seed, users=USERS, hot=0.8)
    with trial.load(RATE):
        worker = trial.worker().wait_ready()
        for target in (EVENTS // 2, EVENTS):
            keeps_up(trial, worker, target)
            trial.kill(worker)
            worker = trial.worker().wait_ready()
            trial.wait_until_it_folds(worker)
    trial.settle([worker])
    trial.check()
    reading = metrics(worker)
    assert reading.total("clout_rows") > EVENTS // 10
    assert reading.total("clout_recovery_duration_seconds_sum") < 10
    assert worker.stop() == 0
