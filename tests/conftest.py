"""Fixtures that every test may use: settings of its own, and real processes."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from pipeline.local.guard import Guard
from pipeline.settings import Settings
from tests.support.cluster import Broker, Cluster, Logged, Valkey
from tests.support.kafka import kafka, kafka_cluster, own_kafka, own_kafka_cluster  # noqa: F401 - fixtures
from tests.support.settings import make_settings

_numbers = itertools.count(1)

# Machines are shared, and the first call of a compiled function takes its time: a slow example is no failure.
hypothesis.settings.register_profile("clout", deadline=None)
hypothesis.settings.load_profile("clout")

# What the developer's shell says must not change what a test sees.
for _name in [name for name in os.environ if name.startswith("CLOUT_")]:
    del os.environ[_name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add the logs of the processes that a failed test used to its report."""
    report = yield
    if report.failed:
        for process in _processes(getattr(item, "funcargs", {})):
            report.sections.append((f"log of {process.name}", process.output()[-8000:]))
    return report


def _processes(fixtures: dict[str, Any]) -> list[Logged]:
    found: list[Logged] = []
    for value in fixtures.values():
        found += value.processes if isinstance(value, Cluster) else [value] if isinstance(value, Logged) else []
    return found


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Ends every process of this run, even when the run itself is killed."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture(scope="session")
def broker(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that all tests share, each with topics of its own prefix."""
    broker = Broker(guard, tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop(2)


@pytest.fixture(scope="session")
def valkey(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey that all tests share, each with a database of its own."""
    valkey = Valkey(guard, tmp_path_factory.mktemp("valkey"))
    yield valkey
    valkey.stop(2)


@pytest.fixture
def own_broker(guard: Guard, tmp_path: Path) -> Iterator[Broker]:
    """A broker for one test, which may freeze or kill it."""
    broker = Broker(guard, tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def own_valkey(guard: Guard, tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey for one test, which may freeze or kill it."""
    valkey = Valkey(guard, tmp_path)
    yield valkey
    valkey.kill()


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """The address of an empty database."""
    url = valkey.database(next(_numbers) % 64)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def settings(broker: Broker, redis_url: str, tmp_path: Path) -> Settings:
    """The settings of one test: the shared servers, topics and a database of its own."""
    return make_settings(broker.url, redis_url, tmp_path)


@pytest.fixture
def cluster(settings: Settings, guard: Guard, tmp_path: Path) -> Iterator[Cluster]:
    """Starts roles against the shared servers; they end with the test."""
    cluster = Cluster(settings, guard, tmp_path)
    yield cluster
    cluster.stop()


@pytest.fixture
def own_cluster(own_broker: Broker, own_valkey: Valkey, guard: Guard, tmp_path: Path) -> Iterator[Cluster]:
    """Starts roles against a broker and a Valkey of this test alone."""
    cluster = Cluster(make_settings(own_broker.url, own_valkey.url, tmp_path), guard, tmp_path)
    yield cluster
    cluster.stop()
