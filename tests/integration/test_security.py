"""Kafka with a password, with and without TLS: every role gets in, and a wrong password is told in one line."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from pipeline.control import follower
from pipeline.control.table import ControlTable
from pipeline.errors import BrokerRefusesError
from pipeline.local.guard import Guard
from pipeline.lookup import keys
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.kafka import PASSWORD, USER, Kafka
from tests.support.ports import free_port
from tests.support.settings import make_settings

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

ROLES = (("worker",), ("sink",), ("agent", "synthetic", "--events", "10"), ("replay",), ("snapshot",))
"""Every command that connects to Kafka and ends when it cannot, beside `doctor`."""


@pytest.fixture(params=[pytest.param("SASL_PLAINTEXT", marks=pytest.mark.chaos), "SASL_SSL"])
def secured(
    request: pytest.FixtureRequest, kafka: Kafka, redis_url: str, guard: Guard, tmp_path: Path
) -> Iterator[Cluster]:
    """Starts roles against a listener that asks for a password."""
    settings = make_settings(
        kafka.url_of(request.param),
        redis_url,
        tmp_path,
        idempotence=True,
        security_protocol=request.param,
        sasl_username=USER,
        sasl_password=PASSWORD,
        ssl_cafile=kafka.certificate if request.param == "SASL_SSL" else None,
    )
    cluster = Cluster(settings, guard, tmp_path)
    yield cluster
    cluster.stop()


def users(settings: Settings) -> int:
    """Return how many users Redis has a score of."""
    with redis.Redis.from_url(settings.redis) as client:
        return client.zcard(keys.RANK)


def ended(process: Logged) -> int | None:
    """Wait until a process has ended by itself and return its status."""
    eventually(lambda: not process.is_running(), 60, f"{process.name} ends; its log is {process.log}")
    return process.child.status()


def test_every_role_gets_in_with_its_password(secured: Cluster) -> None:
    """From an agent to Redis and to whoever asks, and the doctor finds nothing to complain about."""
    roles = [secured.start(role) for role in ("worker", "sink", "serve", "alerter")]
    worker, sink, *_ = [role.wait_ready() for role in roles]
    agent = secured.run("agent", "synthetic", "--events", "500", "--rate", "max")
    assert ended(agent) == 0, agent.output()
    eventually(lambda: users(secured.settings) > 0, 60, "scores are in Redis")
    ports = {"CLOUT_WORKER_PORT": str(worker.port), "CLOUT_SINK_PORT": str(sink.port)}

    def is_well() -> bool:
        doctor = secured.run("doctor", **ports)
        well = ended(doctor) == 0
        assert PASSWORD not in doctor.output()
        return well

    # Its patience of 5 s may end on a slow machine.
    eventually(is_well, 60, "the doctor finds nothing to complain about")
    for process in [
        secured.run(*command) for command in (("link", "n:account", "n:person"), ("snapshot",), ("replay",))
    ]:
        assert ended(process) == 0, process.output()
    assert [role.stop() for role in roles] == [0] * len(roles)


@pytest.mark.parametrize("secured", ["SASL_PLAINTEXT"], indirect=True)
@pytest.mark.parametrize("command", ROLES, ids=" ".join)
def test_a_wrong_password_is_told_in_one_line(secured: Cluster, command: tuple[str, ...]) -> None:
    """No role tries for ever, none shows a traceback or the password."""
    process = secured.run(*command, CLOUT_SASL_PASSWORD="not-the-password", CLOUT_LOG_FORMAT="console")
    assert ended(process) == 1
    assert f"does not accept the password of '{USER}'" in process.output()
    assert "CLOUT_SASL_PASSWORD" in process.output()
    assert "Traceback" not in process.output()
    assert "not-the-password" not in process.output()


@pytest.mark.parametrize("secured", ["SASL_PLAINTEXT"], indirect=True)
def test_the_doctor_tells_of_a_wrong_password(secured: Cluster) -> None:
    """It is a finding as others are."""

    def tells() -> bool:
        doctor = secured.run("doctor", CLOUT_SASL_PASSWORD="not-the-password")
        assert ended(doctor) == 1
        assert "Traceback" not in doctor.output()
        return f"does not accept the password of '{USER}'" in doctor.output()

    # Its patience of 5 s may end on a slow machine.
    eventually(tells, 60, "the doctor tells of it")


@pytest.mark.parametrize("secured", ["SASL_PLAINTEXT"], indirect=True)
async def test_who_follows_decisions_goes_on_when_the_password_is_right_again(
    secured: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lookup service answers without Kafka, and must not be deaf from then on."""
    settings = secured.settings.model_copy(update={"sasl_password": SecretStr("not-the-password")})
    refused = asyncio.Event()

    async def ensure_topics_or_tell(asked: Settings) -> None:
        try:
            await ensure_topics(asked)
        except BrokerRefusesError:
            refused.set()
            raise

    monkeypatch.setattr(follower, "ensure_topics", ensure_topics_or_tell)
    following = follower.Follower(settings, ControlTable())
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(60):
        await refused.wait()
        monkeypatch.setattr(following, "_settings", secured.settings)
        await following.completed.wait()
    task.cancel()


@pytest.mark.parametrize("secured", ["SASL_SSL"], indirect=True)
def test_a_certificate_that_nobody_vouches_for_is_refused(secured: Cluster) -> None:
    """Without the CA's certificate the broker may be anyone."""
    secured.settings = secured.settings.model_copy(update={"ssl_cafile": None})
    worker = secured.run("worker", CLOUT_WORKER_PORT=str(free_port()))
    assert ended(worker) == 1
    assert "has a certificate that is not trusted" in worker.output()
    assert "Traceback" not in worker.output()


@pytest.mark.parametrize("secured", ["SASL_SSL"], indirect=True)
def test_a_ca_file_that_is_not_there_is_named(secured: Cluster) -> None:
    """The setting and the file stand in the message."""
    worker = secured.run("worker", CLOUT_SSL_CAFILE="/nowhere/ca.pem", CLOUT_WORKER_PORT=str(free_port()))
    assert ended(worker) == 1
    assert "CLOUT_SSL_CAFILE=/nowhere/ca.pem cannot be read: No such file" in worker.output()
    assert "Traceback" not in worker.output()
