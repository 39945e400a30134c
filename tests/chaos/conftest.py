"""Fixtures of the trials."""

import pytest

from tests.chaos.trial import Trial
from tests.support.cluster import Cluster
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis


@pytest.fixture
def nemesis() -> Nemesis:
    """A nemesis with a new seed each time, or that of NEMESIS_SEED."""
    return Nemesis()


@pytest.fixture
def trial(cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against the embedded broker."""
    return Trial(cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def kafka_trial(kafka_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against Apache Kafka."""
    return Trial(kafka_cluster, nemesis, Ledger(nemesis.seed))


@pytest.fixture
def own_kafka_trial(own_kafka_cluster: Cluster, nemesis: Nemesis) -> Trial:
    """A trial against an Apache Kafka that may be killed."""
    return Trial(own_kafka_cluster, nemesis, Ledger(nemesis.seed))
