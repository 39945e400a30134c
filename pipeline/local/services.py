"""What `clout up` runs: each service with its command, its environment and its sign of being ready."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import ConfigError
from pipeline.local.broker import broker_command, broker_environment, broker_is_ready
from pipeline.local.ports import LOOPBACK, free_port, reachable, require_free
from pipeline.local.roles import ALERTER, EMBEDDED_ENVIRONMENT, SERVE, SINK, WORKER, RoleSpec, answers
from pipeline.local.valkey import valkey_command, valkey_environment, valkey_is_ready
from pipeline.settings import Settings

DEMO_EVENTS_PER_S: Final = 200
"""Lively on a leaderboard, and no load worth mentioning."""
DEMO_USERS: Final = 2000
"""Few enough that the first of them stand out within seconds."""


@dataclass(frozen=True, slots=True)
class Service:
    """One child process of the supervisor."""

    name: str
    command: list[str]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = 60.0
    """A service that is not ready after this time will not be."""
    keeps_everything: bool = False
    """What it kept dies with it, so that starting it again would not help."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All services: `servers` come first, then the topics, then `roles`, then `agents`; `url` is the API's."""

    servers: list[Service]
    roles: list[Service]
    agents: list[Service]
    url: str

    @property
    def broker(self) -> Service | None:
        """The embedded broker, if there is one."""
        return next((service for service in self.servers if service.keeps_everything), None)


def make_plan(settings: Settings, directory: Path, *, own_broker: bool, own_redis: bool, demo: bool) -> Plan:
    """
    Decide what to run.

    Args:
        settings: Where everything listens.
        directory: Where Valkey may write.
        own_broker: Start a broker at the address in the settings.
        own_redis: Start a Valkey at the address in the settings.
        demo: Start an agent with synthetic traffic.

    Raises:
        ConfigError: A port is taken, or the extra `embedded` is missing.
    """
    environment = _environment(settings)
    servers = []
    if own_broker:
        servers.append(_broker(settings.broker))
        environment |= EMBEDDED_ENVIRONMENT
    if own_redis:
        servers.append(_valkey(settings.redis, directory))
    worker = _role(WORKER, settings, environment, settings.worker_port)
    sink = _role(SINK, settings, environment, settings.sink_port)
    alerter = _role(ALERTER, settings, environment, settings.alerter_port)
    port = settings.port or free_port()
    serve = _role(SERVE, settings, environment, port)
    agents = [_synthetic(environment)] if demo else []
    return Plan(servers, [worker, sink, alerter, serve], agents, f"http://{reachable(settings.host)}:{port}")


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "CLOUT_BROKER": settings.broker,
        "CLOUT_REDIS": settings.redis,
        # Children write to a pipe, but a person reads it.
        "CLOUT_LOG_FORMAT": "console" if settings.log_format == "auto" else settings.log_format,
        "PYTHONUNBUFFERED": "1",
    }


def _broker(url: str) -> Service:
    port = _port_of(url, "CLOUT_BROKER")
    require_free(port, "the embedded broker", _remedy("--broker", "CLOUT_BROKER", "kafka"))
    return Service(
        "broker", broker_command(port), lambda: broker_is_ready(port), broker_environment(), keeps_everything=True
    )


def _valkey(url: str, directory: Path) -> Service:
    port = _port_of(url, "CLOUT_REDIS")
    require_free(port, "the embedded Valkey", _remedy("--redis", "CLOUT_REDIS", "redis"))
    return Service("valkey", valkey_command(port, directory), lambda: valkey_is_ready(port), valkey_environment())


def _remedy(option: str, setting: str, scheme: str) -> str:
    return (
        f"use what runs there with {option} {scheme}://.., "
        f"or choose another port with CLOUT_EMBEDDED=true {setting}={scheme}://127.0.0.1:PORT"
    )


def _role(spec: RoleSpec, settings: Settings, environment: Mapping[str, str], configured: int) -> Service:
    port = configured or free_port()
    require_free(port, f"the role {spec.name}", f"choose another one with {spec.port_setting}")
    url = f"http://{reachable(settings.host)}:{port}{spec.ready_path}"
    return Service(spec.name, spec.command(), lambda: answers(url), {**environment, spec.port_setting: str(port)})


def _synthetic(environment: Mapping[str, str]) -> Service:
    options = ["--rate", str(DEMO_EVENTS_PER_S), "--users", str(DEMO_USERS)]
    command = [sys.executable, "-m", "pipeline.cli", "agent", "synthetic", *options]
    return Service("agent", command, lambda: True, environment)


def _port_of(url: str, setting: str) -> int:
    parts = urlsplit(url)
    if parts.hostname not in {LOOPBACK, "localhost"} or not parts.port:
        raise ConfigError(f"{setting}={url}: an embedded server listens on {LOOPBACK}, at a port that is named")
    return parts.port
