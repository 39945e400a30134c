"""Half a partition of the network: the worker reaches the broker and not Redis, the sink Redis and not the broker."""

import json
import urllib.request

import pytest

from tests.chaos.test_chaos_redis import equals_the_log, wait_until_it_stores
from tests.chaos.trial import Trial
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.kafka import Kafka
from tests.support.observed import metrics
from tests.support.ports import free_port
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.chaos, pytest.mark.timeout(400)]


def hottest(serve: Role) -> tuple[int, str | None]:
    """Return how many engagements the first user of all has by the API, and for how long the answer may be stale."""
    with urllib.request.urlopen(f"{serve.url}/v1/users/n:user0", timeout=30) as answer:
        counts = json.load(answer)["engagement"]["24h"]
        return sum(counts.values()), answer.headers["Clout-Stale-Seconds"]


def test_each_side_does_what_it_can_and_catches_up(kafka_trial: Trial, kafka: Kafka) -> None:
    """The worker folds on, the API answers with what it has and says so, and nothing is lost (I13, I5)."""
    trial = kafka_trial
    with Proxy(kafka.ports["PROXIED"], kafka.proxy_port) as proxy:
        with trial.load(500):
            # Nothing listens there: the worker must not even ask.
            worker = trial.worker(CLOUT_REDIS=f"redis://127.0.0.1:{free_port()}/0").wait_ready()
            sink = trial.cluster.start("sink", CLOUT_BROKER=kafka.url_of("PROXIED"))
            serve = trial.cluster.start("serve").wait_ready()
            alerter = trial.cluster.start("alerter").wait_ready()
            # With topics of its own: what it sends is not in the ledger.
            agent = trial.cluster.run("agent", "synthetic", "--rate", "50", CLOUT_TOPIC_PREFIX="apart.")
            wait_until_it_stores(sink)
            eventually(lambda: hottest(serve)[1] is None, 60, "the API is up to date")
            for fault in (proxy.stall, proxy.cut):
                fault()
                trial.nemesis.note(f"{fault.__name__} between sink and broker")
                before, folded = hottest(serve)[0], metrics(worker).received
                eventually(lambda: hottest(serve)[1] is not None, 60, "the API says that it is stale")
                assert hottest(serve)[0] >= before
                trial.nemesis.moment(0.0, 2.0)
                assert metrics(worker).received > folded, "the worker folds on"
                proxy.heal()
                wait_until_it_stores(sink)
                eventually(lambda: hottest(serve)[1] is None, 60, "the API is up to date again")
        trial.settle([worker])
        equals_the_log(trial)
        expected = sum(trial.ledger.expected()["n:user0"].values())
        eventually(lambda: hottest(serve)[0] == expected, 30, f"the API shows {expected} engagements")
        assert proxy.broken > 0
        assert [role.stop(10) for role in (agent, alerter, sink, worker, serve)] == [0] * 5
