"""Soon after a fault the pipeline is as fresh as before: no lag, and news are in the API within seconds (G5)."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from tests.chaos.test_chaos_many_workers import take_over
from tests.chaos.test_chaos_outage import CUT_S, FROZEN_S
from tests.chaos.trial import RATE, Trial
from tests.support.cluster import Broker, Role, Valkey
from tests.support.eventually import eventually
from tests.support.kafka import Kafka
from tests.support.observed import count_records, metrics, received_by_all
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

LAG_S: Final = 30.0
"""What is promised: from a fault's end until nothing waits."""

NEWS_S: Final = 5.0
"""What is promised: from an event's acknowledgement until the API has it."""

PROBES: Final = 5


class Freshness:
    """A whole pipeline under traffic, and the question how fresh it is."""

    def __init__(self, trial: Trial, *, supervised: bool = False) -> None:
        self.trial = trial
        self._supervised = supervised
        trial.store()
        self.serve = trial.cluster.start("serve").wait_ready()
        self.workers: list[Role] = []

    def start(self) -> Role:
        """Start a worker and wait until it folds."""
        worker = self.trial.worker()
        self.workers.append(worker)
        self.trial.wait_until_it_folds(worker)
        return worker

    def kill(self, worker: Role) -> None:
        """SIGKILL a worker."""
        self.workers.remove(worker)
        self.trial.kill(worker)

    def _waiting(self) -> int:
        for place, worker in enumerate(self.workers):
            if self._supervised and not worker.is_running():
                self.trial.nemesis.note(f"{worker.name} had ended with status {worker.child.status()}")
                self.workers[place] = self.trial.worker()
        return self.trial.ledger.records - received_by_all(map(metrics, self.workers))

    def is_back(self) -> None:
        """With the fault over: nothing waits, and from then on news come at once."""
        began = time.monotonic()
        # Between two rounds, and two readings of ours, some traffic always waits.
        eventually(lambda: self._waiting() < RATE // 2, LAG_S, "the lag is back to 0")
        lag_s, news_s = time.monotonic() - began, 0.0
        with httpx.Client(base_url=self.serve.url, timeout=NEWS_S) as client:
            for _ in range(PROBES):
                event = self.trial.ledger.probe()
                self.trial.publish([event])
                told = time.monotonic()
                path = f"/v1/users/{event.target}"
                eventually(lambda: client.get(path).status_code == 200, NEWS_S, f"the API has {event.target}")  # noqa: B023
                news_s = max(news_s, time.monotonic() - told)
        print(f"lag 0 after {lag_s:.1f} s, news within {news_s:.1f} s")


@contextmanager
def fresh(trial: Trial, *, supervised: bool = False) -> Iterator[Freshness]:
    """Run a pipeline under traffic, its workers supervised or not; in the end each event was counted once."""
    freshness = Freshness(trial, supervised=supervised)
    with trial.load():
        yield freshness
    # A request that got no answer in time is made again: without idempotence the broker may have both.
    records = asyncio.run(count_records(trial.cluster.settings))
    assert records == trial.ledger.records or not trial.cluster.settings.idempotence
    trial.settle(freshness.workers, records=records)
    trial.check(records=records)


def test_a_killed_worker_is_caught_up_with(trial: Trial) -> None:
    """It is started again at once, as a supervisor does."""
    with fresh(trial) as freshness:
        worker = freshness.start()
        for _ in range(2):
            freshness.kill(worker)
            worker = trial.worker()
            freshness.workers.append(worker)
            freshness.is_back()


def test_the_other_worker_takes_over(trial: Trial) -> None:
    """Nobody starts another one."""
    with fresh(trial) as freshness:
        freshness.start()
        freshness.kill(freshness.start())
        freshness.is_back()


def test_a_killed_sink_is_caught_up_with(trial: Trial) -> None:
    """It goes on from its place in Redis."""
    with fresh(trial) as freshness:
        freshness.start()
        assert trial.sink is not None
        assert trial.sink.kill() == -9
        trial.nemesis.note("SIGKILL of the sink")
        trial.store()
        freshness.is_back()


def test_an_emptied_redis_does_not_hold_up_news(trial: Trial, own_valkey: Valkey) -> None:
    """It is filled again beside the traffic."""
    trial.cluster.settings = trial.cluster.settings.model_copy(update={"redis": own_valkey.url})
    with fresh(trial) as freshness:
        freshness.start()
        assert own_valkey.kill() == -9
        trial.nemesis.note("SIGKILL of Valkey")
        own_valkey.start()
        freshness.is_back()


def test_a_worker_that_was_frozen_holds_nobody_up(trial: Trial) -> None:
    """Past its session, until the other one has all; then it comes back, and they share again."""
    with fresh(trial) as freshness:
        other, frozen = freshness.start(), freshness.start()
        frozen.freeze()
        trial.nemesis.note(f"SIGSTOP of {frozen.name}")
        take_over(trial, other)
        frozen.thaw()
        trial.nemesis.note(f"SIGCONT of {frozen.name}")
        freshness.is_back()


def test_a_worker_that_joins_and_leaves_holds_nobody_up(trial: Trial) -> None:
    """All partitions move twice."""
    with fresh(trial) as freshness:
        freshness.start()
        joined = freshness.start()
        freshness.is_back()
        freshness.workers.remove(joined)
        trial.leave(joined)
        freshness.is_back()


def outlast(trial: Trial, begin: Callable[[], None], end: Callable[[], None], seconds: float) -> None:
    """Take the broker away for longer than a session, and bring it back."""
    with fresh(trial, supervised=True) as freshness:
        freshness.start()
        begin()
        trial.nemesis.note(f"the broker is away for {seconds:g} s")
        trial.nemesis.moment(seconds, seconds)
        end()
        freshness.is_back()


def test_a_broker_that_was_frozen_is_caught_up_with(own_trial: Trial, own_broker: Broker) -> None:
    """Nothing answered."""
    outlast(own_trial, own_broker.freeze, own_broker.thaw, FROZEN_S)


def test_a_broker_that_was_cut_off_is_caught_up_with(distant: Trial, proxy: Proxy) -> None:
    """From everyone: agents, the worker, the sink and the lookup service."""
    outlast(distant, proxy.cut, proxy.heal, CUT_S)
    assert proxy.broken > 0


@pytest.mark.kafka
def test_a_killed_worker_on_kafka_is_caught_up_with(kafka_trial: Trial) -> None:
    """The same with idempotent producers."""
    test_a_killed_worker_is_caught_up_with(kafka_trial)


@pytest.mark.kafka
def test_a_killed_broker_is_caught_up_with(own_kafka_trial: Trial, own_kafka: Kafka) -> None:
    """Agents and workers wait for its return; a worker that gave up is started again."""
    trial = own_kafka_trial
    with fresh(trial, supervised=True) as freshness:
        freshness.start()
        assert own_kafka.kill() == -9
        trial.nemesis.note("SIGKILL of the broker")
        own_kafka.start()
        freshness.is_back()
