"""What `clout up` would run, and what it refuses."""

import socket
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.local.services import Plan, make_plan
from pipeline.settings import Settings
from tests.support.ports import free_port


def settings(**changes: object) -> Settings:
    """Return settings with free ports for all."""
    values = {
        "broker": f"kafka://127.0.0.1:{free_port()}",
        "redis": f"redis://127.0.0.1:{free_port()}/0",
        "port": free_port(),
        "worker_port": free_port(),
        "sink_port": free_port(),
        **changes,
    }
    return Settings(_env_file=None, **values)  # type: ignore[arg-type, call-arg]


def plan(settings: Settings, *, own_broker: bool = True, own_redis: bool = True, demo: bool = False) -> Plan:
    """Return a plan that is never run."""
    return make_plan(settings, Path("unused"), own_broker=own_broker, own_redis=own_redis, demo=demo)


def test_every_role_is_told_where_the_servers_are() -> None:
    """The addresses in the environment of a role are those of the settings."""
    chosen = settings()
    for role in plan(chosen).roles:
        assert role.environment["CLOUT_BROKER"] == chosen.broker
        assert role.environment["CLOUT_REDIS"] == chosen.redis


def test_roles_beside_the_embedded_broker_do_without_idempotence() -> None:
    """The embedded broker has none; one's own Kafka keeps it."""
    assert plan(settings()).roles[0].environment["CLOUT_IDEMPOTENCE"] == "false"
    assert "CLOUT_IDEMPOTENCE" not in plan(settings(), own_broker=False).roles[0].environment


def test_no_server_is_started_where_the_user_names_one() -> None:
    """With --broker and --redis only the roles run."""
    names = [service.name for service in plan(settings(), own_redis=False).servers]
    assert names == ["broker"]
    assert plan(settings(), own_broker=False, own_redis=False).servers == []


def test_the_demo_adds_an_agent() -> None:
    """Synthetic traffic comes from an agent like any other."""
    assert plan(settings()).agents == []
    assert [service.name for service in plan(settings(), demo=True).agents] == ["agent"]


def test_an_embedded_server_listens_on_this_machine_only() -> None:
    """An address elsewhere cannot be ours to start."""
    with pytest.raises(ConfigError, match=r"CLOUT_BROKER=kafka://kafka\.example\.org:9092: an embedded server"):
        plan(settings(broker="kafka://kafka.example.org:9092"))


@pytest.mark.parametrize(
    ("setting", "user", "remedy"),
    [
        ("broker", "the embedded broker", "--broker"),
        ("redis", "the embedded Valkey", "--redis"),
        ("port", "the role serve", "CLOUT_PORT"),
        ("worker_port", "the role worker", "CLOUT_WORKER_PORT"),
        ("sink_port", "the role sink", "CLOUT_SINK_PORT"),
    ],
)
def test_a_taken_port_is_named_with_its_user_and_a_remedy(setting: str, user: str, remedy: str) -> None:
    """Nothing is started when a port is taken, and the error says what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        scheme = {"broker": f"kafka://127.0.0.1:{port}", "redis": f"redis://127.0.0.1:{port}/0"}
        with pytest.raises(ConfigError, match=rf"port {port}, which {user} needs, is taken: .*{remedy}"):
            plan(settings(**{setting: scheme.get(setting, port)}))


def test_port_0_stands_for_any_free_port() -> None:
    """The address of the API carries the port that was chosen."""
    chosen = plan(settings(port=0))
    port = chosen.roles[-1].environment["CLOUT_PORT"]
    assert port != "0"
    assert chosen.url == f"http://127.0.0.1:{port}"
