"""Fixtures of the trials."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local.guard import Guard
from tests.chaos.trial import Trial
from tests.support.cluster import Broker, Cluster
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis
from tests.support.proxy import Proxy
from tests.support.settings import make_settings


@pytest.fixture
def nemesis() -> Nemesis:
    """A nemesis with a new seed each time, or that of NEMESIS_SEED."""
    return Nemesis()


@pytest.fixture
def trial(cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against the embedded broker."""
    return Trial(cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def own_trial(own_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against an embedded broker that may be frozen."""
    return Trial(own_cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def kafka_trial(kafka_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against Apache Kafka."""
    return Trial(kafka_cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def own_kafka_trial(own_kafka_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against an Apache Kafka that may be killed."""
    return Trial(own_kafka_cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy without faults, for now."""
    with Proxy() as proxy:
        yield proxy


@pytest.fixture
def distant(proxy: Proxy, redis_url: str, nemesis: Nemesis, guard: Guard, tmp_path: Path) -> Iterator[Trial]:
    """A trial in which everyone reaches the broker through the proxy."""
    broker = Broker(guard, tmp_path, advertised=proxy.port)
    proxy.target = broker.port
    settings = make_settings(f"kafka://127.0.0.1:{proxy.port}", redis_url, tmp_path)
    cluster = Cluster(settings, guard, tmp_path)
    yield Trial(cluster, nemesis, Ledger(nemesis.seed))
    proxy.heal()
    cluster.stop()
    broker.kill()
