"""How long it takes from an event to the webhook that tells of the spike it opens."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline.local.guard import Guard
from pipeline.lookup.delivery.signing import new_secret
from pipeline.settings import Settings
from tests.bench.bursts import USERS
from tests.bench.process import machine_usage, usage
from tests.support.cluster import Broker, Cluster, Logged, Valkey
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver
from tests.support.topics import read_topic

RATE: Final = 5_000
SECONDS: Final = 45.0
PROMISE_S: Final = 2.0
_DEADLINE_S: Final = 120.0


def alerts(guard: Guard, directory: Path) -> dict[str, float]:
    """
    Measure, print, and return seconds.

    Raises:
        RuntimeError: The publisher ended.
        AssertionError: A spike was never told of.
    """
    broker, valkey = Broker(guard, directory), Valkey(guard, directory)
    settings = Settings(
        broker=broker.url, redis=valkey.url, idempotence=False, session_timeout_s=6.0, data_dir=directory
    )
    cluster = Cluster(settings, guard, directory)
    try:
        with receiver() as there:
            waits, cpu = _measure(cluster, there, guard, directory)
    finally:
        cluster.stop()
        broker.kill()
        valkey.kill()
    (p50, p99), (found_p50, found_p99) = (np.quantile(each, [0.5, 0.99]).tolist() for each in waits)
    figures = {"p50_s": p50, "p99_s": p99, "max_s": float(waits[0].max())}
    figures |= {"found_p50_s": found_p50, "found_p99_s": found_p99, "spikes": waits.shape[1], **cpu}
    _print(figures)
    return {name: round(value, 4) for name, value in figures.items()}


def _measure(
    cluster: Cluster, there: Receiver, guard: Guard, directory: Path
) -> tuple[NDArray[np.float64], dict[str, float]]:
    rules, output = directory / "rules.toml", directory / "handed"
    channel = f"{{kind = 'webhook', url = '{there.url}/alerts', secret = '{new_secret()}'}}"
    rules.write_text(f"[[rule]]\nname = 'all'\ntell_closed = false\nchannels = [{channel}]\n")
    roles = {
        "worker": cluster.start("worker"),
        "sink": cluster.start("sink"),
        "alerter": cluster.start("alerter", CLOUT_DELIVERY_NETWORKS="127.0.0.0/8", CLOUT_ALERT_RULES=str(rules)),
    }
    for role in roles.values():
        role.wait_ready()
    command = [sys.executable, "-m", "tests.bench.bursts", str(RATE), str(SECONDS), str(output)]
    spent, spent_all = {name: usage(role.pid) for name, role in roles.items()}, machine_usage()
    publisher = Logged("bursts", command, guard, directory, cluster.environment())
    cluster.processes.append(publisher)
    eventually(lambda: not publisher.is_running(), _DEADLINE_S, "everything is published")
    if not output.exists():
        raise RuntimeError(f"the publisher ended: {publisher.output()[-3000:]}")
    cpu = {f"cpu_{name}": (usage(role.pid) - spent[name]) / SECONDS for name, role in roles.items()}
    cpu["cpu_all"] = (machine_usage() - spent_all) / SECONDS
    handed = msgspec.msgpack.decode(output.read_bytes(), type=dict[str, float])
    told = eventually(lambda: _all_told(there, handed), 30, "every spike is told of")
    written: dict[str, float] = {}
    for record in asyncio.run(read_topic(cluster.settings, "spikes")):
        written.setdefault((record.key or b"").decode(), record.timestamp / 1000)
    return np.array([(told[user] - at, written[user] - at) for user, at in handed.items()]).T, cpu


def _all_told(there: Receiver, handed: dict[str, float]) -> dict[str, float]:
    """Return when each user was first named, once all were."""
    told: dict[str, float] = {}
    for request in list(there.requests):
        for alert in json.loads(request.body)["data"]["alerts"]:
            told.setdefault(alert["user"], request.at)
    return told if handed.keys() <= told.keys() else {}


def _print(figures: dict[str, float]) -> None:
    names = ("p50", "p99", "max", "found_p50", "found_p99")
    spans = ", ".join(f"{name.replace('_', ' ')} {figures[f'{name}_s'] * 1000:,.0f} ms" for name in names)
    broken = "" if figures["p99_s"] < PROMISE_S else f"  BROKEN: p99 under {PROMISE_S:g} s"
    shares = ", ".join(f"{name[4:]} {value:.2f}" for name, value in figures.items() if name.startswith("cpu_"))
    console = Console(width=180)
    console.print(f"Event to webhook of the spike it opens, {USERS} spikes at {RATE:,} events/s: {spans}{broken}")
    console.print(f"  cores: {shares}")
