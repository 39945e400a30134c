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
