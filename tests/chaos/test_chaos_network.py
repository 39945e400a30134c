"""The network between the processes breaks, stalls and loses: every acknowledged event is counted once all the same."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from pipeline.settings import Settings
from tests.chaos.test_chaos_many_workers import recover_from_it_all, take_over
from tests.chaos.trial import Trial
from tests.support.cluster import Role
from tests.support.kafka import Kafka
from tests.support.load import Load
from tests.support.observed import count_records
from tests.support.proxy import ANSWERS, Proxy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def slow(trial: Trial, proxy: Proxy) -> None:
    """Every chunk takes 300 ms in each direction."""
    proxy.delay(0.3)
    trial.nemesis.moment(2.0, 4.0)


def sliced(trial: Trial, proxy: Proxy) -> None:
    """Requests and answers arrive in crumbs."""
    proxy.slice(200)
    trial.nemesis.moment(1.0, 3.0)


def storm(trial: Trial, proxy: Proxy) -> None:
    """Connections are reset again and again."""
    for _ in range(8):
        proxy.reset()
        trial.nemesis.moment(0.05, 0.4)


def away(trial: Trial, proxy: Proxy) -> None:
    """Nobody is there."""
    proxy.cut()
    trial.nemesis.moment(1.0, 5.0)


def silent(trial: Trial, proxy: Proxy) -> None:
    """Connections stand, and nothing passes."""
    proxy.stall()
    trial.nemesis.moment(1.0, 4.0)


def answers_lost(trial: Trial, proxy: Proxy) -> None:
    """What was asked was done, but nobody hears of it: whoever tries again does it twice."""
    proxy.stall(ANSWERS)
    trial.nemesis.moment(0.2, 0.6)
    proxy.reset()


Fault = Callable[[Trial, Proxy], None]
TRIES: Final = 5
"""So often answers are lost again, where nothing was under way just then."""
FAULTS: tuple[Fault, ...] = (slow, sliced, storm, away, silent, answers_lost)


def break_the_network(trial: Trial, proxy: Proxy, faults: Sequence[Fault]) -> None:
    """Let one fault follow the other under load, in random order; the worker is restarted when it gave up."""
    order = list(faults)
    trial.nemesis.random.shuffle(order)
    with trial.load(500):
        worker = trial.worker()
        for fault in order:
            worker = suffer(trial, proxy, worker, fault)
        trial.nemesis.moment(0.5, 1.0)
        if not worker.is_running():
            worker = trial.worker()
        trial.wait_until_it_folds(worker)
    # An answer that was lost makes the publisher send again: the broker has more than was acknowledged.
    records = asyncio.run(count_records(trial.cluster.settings))
    trial.settle([worker], 90, records=records)
    trial.check(records=records)
    assert proxy.broken > 0, "connections were broken"
    assert worker.stop() == 0


def suffer(trial: Trial, proxy: Proxy, worker: Role, fault: Fault) -> Role:
    """Let one fault happen to a worker that folds, and return that worker: another one, where it had given up."""
    if not worker.is_running():
        trial.nemesis.note(f"{worker.name} had ended with status {worker.child.status()}")
        worker = trial.worker()
    trial.wait_until_it_folds(worker)
    trial.nemesis.note(fault.__name__)
    fault(trial, proxy)
    proxy.heal()
    return worker


def test_broken_connections_lose_nothing(distant: Trial, proxy: Proxy) -> None:
    """Two faults in every run; `make chaos` does all."""
    break_the_network(distant, proxy, (storm, answers_lost))


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_network_that_fails_in_every_way_loses_nothing(distant: Trial, proxy: Proxy) -> None:
    """Each fault twice, in random order, between everyone and the broker."""
    break_the_network(distant, proxy, 2 * FAULTS)


@pytest.mark.kafka
@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_a_worker_that_was_cut_off_past_its_session_counts_nothing_twice(kafka_trial: Trial, kafka: Kafka) -> None:
    """It runs on without a broker while another one takes over; when the network is back, it writes nothing old."""
    with Proxy(kafka.ports["PROXIED"], kafka.proxy_port) as proxy:
        with kafka_trial.load():
            distant = kafka_trial.worker(CLOUT_BROKER=kafka.url_of("PROXIED")).wait_ready()
            other = kafka_trial.worker().wait_ready()
            kafka_trial.wait_until_it_folds(distant)
            kafka_trial.nemesis.moment(0.0, 1.0)
            proxy.stall()
            kafka_trial.nemesis.note(f"nothing passes to or from {distant.name}")
            take_over(kafka_trial, other)
            kafka_trial.nemesis.moment(1.0, 4.0)
            proxy.heal()
            if not distant.is_running():
                distant = kafka_trial.worker(CLOUT_BROKER=kafka.url_of("PROXIED"))
            kafka_trial.wait_until_it_folds(distant)
        recover_from_it_all(kafka_trial, [distant, other])


def lose_answers(trial: Trial, proxy: Proxy, worker: Role, settings: Settings) -> tuple[Role, int]:
    """
    Let answers get lost until something was sent twice, or often enough.

    Returns:
        The worker that runs in the end, and the records that the broker has then.
    """
    records = 0
    for _ in range(TRIES):
        with Load(settings, trial.ledger, 500):
            for _ in range(3):
                worker = suffer(trial, proxy, worker, answers_lost)
        records = asyncio.run(count_records(trial.cluster.settings))
        if records > trial.ledger.records:
            break
    assert proxy.broken > 0
    if not worker.is_running():
        worker = trial.worker()
    trial.settle([worker], 90, records=records)
    trial.check(records=records)
    return worker, records


@pytest.mark.chaos
@pytest.mark.timeout(400)
def test_what_is_sent_again_is_counted_once(distant: Trial, proxy: Proxy) -> None:
    """The embedded broker has no idempotent producers: what was sent twice stands there twice."""
    worker, records = lose_answers(distant, proxy, distant.worker(), distant.cluster.settings)
    assert records > distant.ledger.records, "answers were lost"
    assert worker.stop() == 0


@pytest.mark.kafka
@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.parametrize("idempotence", [True, False])
def test_what_is_sent_again_is_written_once_by_idempotent_agents_alone(
    kafka_trial: Trial, kafka: Kafka, idempotence: bool
) -> None:
    """The answers to an agent get lost, and it sends again: counted once it is either way."""
    changes = {"broker": kafka.url_of("PROXIED"), "idempotence": idempotence}
    settings = kafka_trial.cluster.settings.model_copy(update=changes)
    with Proxy(kafka.ports["PROXIED"], kafka.proxy_port) as proxy:
        worker, records = lose_answers(kafka_trial, proxy, kafka_trial.worker(), settings)
    assert (records == kafka_trial.ledger.records) == idempotence
    assert worker.stop() == 0
