"""Wrong clocks: an agent's that is an hour ahead or behind, and a worker's that is set back again and again."""

import asyncio
import sys
import time

import pytest

from pipeline.clock import system_clock
from tests.chaos.trial import Trial
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.support.observed import metrics, read_scores

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

HOUR_MS = 3_600_000


def test_wrong_clocks_age_nothing_and_take_nothing_back(trial: Trial) -> None:
    """Events of the future are dead letters, those of the past count in their slice, and versions only grow."""
    cluster = trial.cluster
    behind = Ledger(trial.nemesis.seed + 1, users=20, clock=lambda: system_clock() - HOUR_MS)
    ahead = Ledger(trial.nemesis.seed + 2, users=20, clock=lambda: system_clock() + HOUR_MS)
    for name, ledger in (("behind", behind), ("ahead", ahead)):
        # Ids and users of their own: what each clock did can be told apart.
        ledger._users = [f"n:{name}{number}" for number in range(20)]
        ledger._numbers = iter(range(10**9 + 10**8 * len(name), 10**10))  # type: ignore[assignment]
    skewed = [sys.executable, "-m", "tests.chaos.skewed_worker", "3600"]
    worker = cluster.start("worker", command=skewed).wait_ready()
    with trial.load(500), Load(cluster.settings, behind, 200), Load(cluster.settings, ahead, 200):
        for _ in range(2):
            trial.wait_until_it_folds(worker)
            trial.nemesis.moment(1.0, 2.0)
            trial.kill(worker)
            worker = cluster.start("worker", command=skewed).wait_ready()
        trial.wait_until_it_folds(worker)
        eventually(lambda: ahead.records > 300 and behind.records > 300, 60, "events of both clocks flow")
    records = trial.ledger.records + behind.records + ahead.records
    trial.settle([worker], records=records)
    fates = metrics(worker).fates()
    assert fates["dead_lettered"] == ahead.records
    assert fates["applied"] == trial.ledger.records + behind.records
    documents = asyncio.run(read_scores(cluster.settings))
    now = time.time() * 1000
    assert min(document.time for document in documents) < now - HOUR_MS / 2, "the worker's clock was set back"
    assert max(document.as_of for document in documents) <= now + 1_000
    assert not any(document.user.startswith("n:ahead") for document in documents)
    trial.compare({**trial.ledger.expected(), **behind.expected()})
    assert worker.stop() == 0
