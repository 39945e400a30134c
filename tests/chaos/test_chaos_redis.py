"""Redis and the sink fail under traffic: in the end Redis holds what the log says, byte for byte."""

import asyncio

import pytest

from pipeline.replay import run as fold_the_log
from tests.chaos.test_chaos_network import answers_lost, away, silent, storm
from tests.chaos.trial import Trial
from tests.support.cluster import Role, Valkey
from tests.support.eventually import eventually
from tests.support.nemesis import Nemesis
from tests.support.observed import metrics
from tests.support.ports import free_port
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def own_redis(trial: Trial, own_valkey: Valkey) -> Trial:
    """A trial with a Valkey of its own."""
    trial.cluster.settings = trial.cluster.settings.model_copy(update={"redis": own_valkey.url})
    return trial


def stored(sink: Role) -> float:
    """Return how many documents a sink has written."""
    return metrics(sink).total("clout_score_updates_stored_total")


def wait_until_it_stores(sink: Role) -> None:
    """Wait until a sink writes new documents."""
    before = stored(sink)
    eventually(lambda: stored(sink) > before, 60, f"{sink.name} stores; its log is {sink.log}")


def equals_the_log(trial: Trial) -> None:
    """Check that every document in Redis becomes the newest in the topic, and that this is what the log says."""

    def report() -> str:
        found = asyncio.run(fold_the_log(trial.cluster.settings, check=True))
        return "" if found.clean and found.compared else repr(found)[:2_000]

    last = ""

    def is_clean() -> bool:
        nonlocal last
        last = report()
        return not last

    eventually(is_clean, 150, "Redis equals the log")
    trial.check()


def test_an_emptied_redis_is_rebuilt_under_traffic(own_redis: Trial, own_valkey: Valkey) -> None:
    """SIGKILL, and again from nothing, while scores change; the sink is killed, too."""
    trial = own_redis
    with trial.load():
        worker, sink = trial.worker().wait_ready(), trial.cluster.start("sink")
        wait_until_it_stores(sink)
        for victim in ("Valkey", "sink"):
            trial.nemesis.moment(0.0, 1.0)
            if victim == "Valkey":
                assert own_valkey.kill() == -9
                trial.nemesis.moment(0.0, 1.0)
                own_valkey.start()
            else:
                assert sink.kill() == -9
                sink = trial.cluster.start("sink")
            trial.nemesis.note(f"SIGKILL of {victim}")
            wait_until_it_stores(sink)
    trial.settle([worker])
    equals_the_log(trial)
    assert sink.stop() == worker.stop() == 0


@pytest.mark.chaos
def test_a_sink_killed_again_and_again_writes_what_the_log_says(own_redis: Trial) -> None:
    """At random moments, ten times."""
    trial = own_redis
    with trial.load():
        worker, sink = trial.worker().wait_ready(), trial.cluster.start("sink")
        for _ in range(10):
            if trial.nemesis.chance(0.7):
                wait_until_it_stores(sink)
            trial.nemesis.moment(0.0, 1.0)
            assert sink.kill() == -9
            trial.nemesis.note(f"SIGKILL of {sink.name}")
            sink = trial.cluster.start("sink")
        wait_until_it_stores(sink)
    trial.settle([worker])
    equals_the_log(trial)


@pytest.mark.chaos
def test_a_network_that_fails_between_sink_and_redis_loses_nothing(
    own_redis: Trial, own_valkey: Valkey, nemesis: Nemesis
) -> None:
    """Resets, silence, refusals, and answers that get lost: what was written twice is there once."""
    trial = own_redis
    with Proxy(own_valkey.port) as proxy:
        with trial.load():
            worker = trial.worker().wait_ready()
            sink = trial.cluster.start(
                "sink", CLOUT_REDIS=f"redis://127.0.0.1:{proxy.port}/0", CLOUT_SINK_PORT=str(free_port())
            )
            for fault in (storm, silent, away, answers_lost, storm, answers_lost):
                wait_until_it_stores(sink)
                nemesis.note(fault.__name__)
                fault(trial, proxy)
                proxy.heal()
            wait_until_it_stores(sink)
        trial.settle([worker])
        equals_the_log(trial)
        assert proxy.broken > 0
        assert sink.is_running()
