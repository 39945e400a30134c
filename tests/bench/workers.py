"""One, two and three workers that share the partitions of the same log: the rate, and what an event costs."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from pipeline.local.guard import Guard
from pipeline.settings import Settings
from tests.bench.fold import metrics
from tests.bench.process import usage
from tests.bench.traffic import publish
from tests.support.cluster import Broker, Cluster, Logged
from tests.support.eventually import eventually
from tests.support.ports import free_port

EVENTS: Final = 2_000_000
NUMBERS: Final = (1, 2, 3)
_JOIN_S: Final = 120.0
_DEADLINE_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Member:
    """A worker's process, and where it answers."""

    process: Logged
    port: int

    def partitions(self) -> int:
        """Return how many partitions it holds; 0 while it is not ready."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5)
        except httpx.HTTPError:
            return 0
        return len(answer.json()["partitions"]) if answer.is_success else 0

    def metrics(self) -> dict[str, float]:
        """Return the sums of its metrics."""
        return metrics(f"http://127.0.0.1:{self.port}/metrics")


def workers(guard: Guard, directory: Path, events: int = EVENTS) -> dict[str, float]:
    """Measure how the rate and the cost of an event depend on the number of workers."""
    broker = Broker(guard, directory)
    settings = Settings(broker=broker.url, idempotence=False, session_timeout_s=6.0, data_dir=directory)
    cluster = Cluster(settings, guard, directory)
    results: dict[str, float] = {}
    try:
        publish(settings, events)
        for number in NUMBERS:
            seconds, cpu = _measure(cluster, guard, directory, number, events)
            results |= {f"workers_{number}": events / seconds, f"workers_{number}_us": cpu / events * 1e6}
            print(f"  {number}: {events / seconds:,.0f}/s", flush=True)
    finally:
        broker.kill()
    _print(results)
    return results


def _measure(cluster: Cluster, guard: Guard, directory: Path, number: int, events: int) -> tuple[float, float]:
    gate = directory / f"gate-{number}"
    members = [_start(cluster, guard, directory, f"of-{number}-{place}", number, gate) for place in range(number)]
    try:
        eventually(lambda: _share(members, cluster.settings.partitions), _JOIN_S, "all have partitions")
        before = sum(usage(member.process.pid) for member in members)
        began = time.monotonic()
        gate.touch()
        eventually(lambda: _folded(members, events), _DEADLINE_S, "everything is folded")
        seconds = time.monotonic() - began
        return seconds, sum(usage(member.process.pid) for member in members) - before
    finally:
        for member in members:
            member.process.stop()


def _start(cluster: Cluster, guard: Guard, directory: Path, name: str, number: int, gate: Path) -> Member:
    port = free_port()
    environment = cluster.environment(CLOUT_WORKER_PORT=str(port), CLOUT_LOG_LEVEL="warning")
    command = [sys.executable, "-m", "tests.bench.worker", f"bench-workers-{number}", str(gate)]
    return Member(Logged(name, command, guard, directory, environment), port)


def _share(members: Sequence[Member], partitions: int) -> bool:
    held = [member.partitions() for member in members]
    return all(held) and sum(held) == partitions


def _folded(members: Sequence[Member], events: int) -> bool:
    seen = [member.metrics() for member in members]
    return (
        sum(each.get("clout_engagements_received_total", 0.0) for each in seen) >= events
        and not any(each.get("clout_scores_owed", 1.0) for each in seen)
        and not any(each.get("clout_rounds_uncommitted", 1.0) for each in seen)
    )


def _print(results: dict[str, float]) -> None:
    table = Table(title="One log shared by several workers, 8 partitions, Tansu", title_justify="left")
    for column in ("workers", "events/s", "of one", "CPU us/event"):
        table.add_column(column, justify="right")
    for number in NUMBERS:
        rate = results[f"workers_{number}"]
        share = f"{rate / results['workers_1']:.2f}"
        table.add_row(str(number), f"{rate:,.0f}", share, f"{results[f'workers_{number}_us']:.2f}")
    Console(width=140).print(table)
