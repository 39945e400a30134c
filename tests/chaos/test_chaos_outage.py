"""The broker is away for longer than a session lasts: frozen, or cut off. The worker goes on when it is back."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from tests.chaos.trial import Trial
from tests.support.cluster import Broker, Role
from tests.support.eventually import eventually
from tests.support.kafka import Kafka
from tests.support.observed import count_records, metrics
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

FROZEN_S: Final = 15.0
CUT_S: Final = 20.0
"""Both longer than a session, and shorter than a request may take."""


def outlast(trial: Trial, begin: Callable[[], None], end: Callable[[], None], seconds: float, **changes: str) -> None:
    """Take the broker away under load and bring it back; the worker goes on, or the next one when it gave up."""
    with trial.load(500):
        worker = trial.worker(**changes)
        trial.wait_until_it_folds(worker)
        trial.nemesis.moment(0.0, 2.0)
        begin()
        trial.nemesis.note(f"the broker is away for {seconds:g} s")
        trial.nemesis.moment(seconds / 2, seconds / 2)
        folded = metrics(worker).received
        trial.nemesis.moment(seconds / 2, seconds / 2)
        # What was fetched before is folded by now; nothing can come, and a worker that has given up tells of nothing.
        assert metrics(worker).received <= folded
        end()
        worker = go_on(trial, worker, **changes)
        trial.nemesis.moment(1.0, 3.0)
    # A request that got no answer in time is made again: without idempotence the broker may have both.
    records = asyncio.run(count_records(trial.cluster.settings))
    assert records == trial.ledger.records or not trial.cluster.settings.idempotence
    worker = go_on_to_the_end(trial, worker, records, **changes)
    trial.check(records=records)
    assert worker.stop(10) == 0


def go_on(trial: Trial, worker: Role, **changes: str) -> Role:
    """Wait until a worker folds, and return it: another one, where it had given up."""
    before = metrics(worker).received
    eventually(
        lambda: not worker.is_running() or metrics(worker).received > before,
        120,
        f"{worker.name} folds or gives up; its log is {worker.log}",
    )
    if worker.is_running():
        return worker
    worker = replaced(trial, worker, **changes)
    trial.wait_until_it_folds(worker)
    return worker


def go_on_to_the_end(trial: Trial, worker: Role, records: int, **changes: str) -> Role:
    """Wait until everything is folded and committed, and return the worker that did it."""
    eventually(
        lambda: not worker.is_running() or metrics(worker).received == records,
        120,
        f"{worker.name} folds everything or gives up; its log is {worker.log}",
    )
    if not worker.is_running():
        worker = replaced(trial, worker, **changes)
    trial.settle([worker], records=records)
    return worker


def replaced(trial: Trial, worker: Role, **changes: str) -> Role:
    """Start the next worker after one that has ended, and said why."""
    trial.nemesis.note(f"{worker.name} had ended with status {worker.child.status()}")
    assert "Traceback" not in worker.output()
    assert "Error" in worker.output()
    return trial.worker(**changes)


def test_a_frozen_broker_loses_nothing(own_trial: Trial, own_broker: Broker) -> None:
    """Nothing answers, and no connection breaks."""
    outlast(own_trial, own_broker.freeze, own_broker.thaw, FROZEN_S)


def test_a_broker_that_was_cut_off_loses_nothing(distant: Trial, proxy: Proxy) -> None:
    """Every connection is reset, and none can be made: neither the worker's nor the agent's."""
    outlast(distant, proxy.cut, proxy.heal, CUT_S)
    assert proxy.broken > 0


@pytest.mark.kafka
def test_a_frozen_broker_loses_nothing_on_kafka(own_kafka_trial: Trial, own_kafka: Kafka) -> None:
    """It wakes up with timers long past: of its own, of the group's members."""
    outlast(own_kafka_trial, own_kafka.freeze, own_kafka.thaw, FROZEN_S)


@pytest.mark.kafka
def test_a_worker_that_was_cut_off_loses_nothing_on_kafka(kafka_trial: Trial, kafka: Kafka) -> None:
    """The worker alone: agents go on, and it has the more to make up for."""
    with Proxy(kafka.ports["PROXIED"], kafka.proxy_port) as proxy:
        outlast(kafka_trial, proxy.cut, proxy.heal, CUT_S, CLOUT_BROKER=kafka.url_of("PROXIED"))
        assert proxy.broken > 0
