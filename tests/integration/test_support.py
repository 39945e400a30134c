"""The fixtures themselves: what other tests rely on."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from pipeline.settings import Settings
from pipeline.topics import CHANGELOG, TOPICS, ensure_topics
from tests.support.cluster import REPOSITORY, Cluster, is_alive
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def test_topics_are_created_once(settings: Settings) -> None:
    """The first call creates every topic, the second finds them all."""
    created = asyncio.run(ensure_topics(settings))
    assert sorted(created) == sorted(settings.topic_prefix + spec.name for spec in (*TOPICS, CHANGELOG))
    assert asyncio.run(ensure_topics(settings)) == []


def test_redis_is_empty(redis_url: str) -> None:
    """A test gets a database without keys."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_command_runs_with_the_settings_of_its_test(cluster: Cluster) -> None:
    """The environment of a process says where the test's servers are."""
    environment = cluster.environment()
    assert environment["CLOUT_BROKER"] == cluster.settings.broker
    assert environment["CLOUT_TOPIC_PREFIX"] == cluster.settings.topic_prefix


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    """After SIGKILL of a supervisor, nothing that it started is left."""
    script = (
        "import sys, time\n"
        "from pipeline.local.child import Child\n"
        "from pipeline.local.guard import Guard\n"
        "child = Child('sleeper', [sys.executable, '-c', 'import time; time.sleep(60)'], Guard(), output=2)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    with supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        assert is_alive(pid)
        supervisor.send_signal(signal.SIGKILL)
    eventually(lambda: not is_alive(pid), 60, "the child has ended")
