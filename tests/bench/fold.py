"""The fold: Kafka to score, against the limit and against the plain Faust version, on the same topics."""

import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pipeline.local.guard import Guard
from pipeline.settings import Settings
from tests.bench.process import peak_bytes, usage
from tests.bench.traffic import publish
from tests.support.cluster import Cluster, Logged
from tests.support.ports import free_port

EVENTS = 2_000_000
PLAIN_EVENTS = 10_000
RUNS = 3
DEADLINE_S = 120.0
PLAIN_DEADLINE_S = 80.0
"""Joining the group included."""
_FIRST_FOLD = re.compile(r"first fold at (\S+) after (\S+)")


@dataclass(frozen=True, slots=True)
class Run:
    """One contender's run."""

    events: int
    seconds: float
    cpu: float
    peak: int = 0
    rows: int = 0
    documents: int = 0

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


class FoldBench:
    """Publishes once and lets the contenders run in turn."""

    def __init__(self, cluster: Cluster, settings: Settings, guard: Guard, directory: Path, events: int) -> None:
        self._cluster = cluster
        self._guard = guard
        self._settings = settings
        self._directory = directory
        self._events = events
        self.limit: list[Run] = []
        self.worker: list[Run] = []
        self.plain: list[Run] = []

    def run(self, runs: int = RUNS) -> dict[str, float]:
        """Run everything and return the medians in events/s."""
        publish(self._settings, self._events)
        for number in range(runs):
            self.limit.append(self._module("limit", self._events))
            self.worker.append(self._worker(number))
            print(
                f"  run {number + 1}: limit {self.limit[-1].rate:,.0f}/s, worker {self.worker[-1].rate:,.0f}/s",
                flush=True,
            )
        self.plain.append(self._module("plain_faust", PLAIN_EVENTS, PLAIN_DEADLINE_S))
        print(f"  plain Faust: {self.plain[-1].rate:,.0f}/s", flush=True)
        return {
            name: statistics.median(run.rate for run in taken)
            for name, taken in (("limit", self.limit), ("worker", self.worker), ("plain_faust", self.plain))
        }

    def _module(self, name: str, events: int, deadline_s: float = DEADLINE_S) -> Run:
        environment = self._cluster.environment(CLOUT_WORKER_PORT=str(free_port()))
        command = [sys.executable, "-m", f"tests.bench.{name}", str(events)]
        try:
            done = subprocess.run(
                command,
                check=False,
                env=environment,
                capture_output=True,
                text=True,
                timeout=deadline_s,
                cwd=environment["PYTHONPATH"],
            )
        except subprocess.TimeoutExpired as exc:
            said = b"\n".join(filter(None, (exc.stdout, exc.stderr))).decode(errors="replace")
            raise RuntimeError(f"{name} did not finish in {deadline_s:.0f} s: {said[-3000:]}") from exc
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"seconds"')]
        if not lines:
            raise RuntimeError(f"{name} printed no result: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        result = json.loads(lines[-1])
        return Run(int(result["events"]), result["seconds"], result["cpu"])

    def _worker(self, number: int) -> Run:
        port = free_port()
        environment = self._cluster.environment(CLOUT_WORKER_PORT=str(port), CLOUT_LOG_LEVEL="warning")
        command = [sys.executable, "-m", "tests.bench.worker", f"bench-{number}"]
        process = Logged(f"bench-{number}", command, self._guard, self._directory, environment)
        try:
            return self._measure(process, f"http://127.0.0.1:{port}/metrics")
        finally:
            process.stop()

    def _measure(self, process: Logged, url: str) -> Run:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if not process.is_running():
                raise RuntimeError(f"the worker ended: {process.output()[-3000:]}")
            seen = metrics(url)
            now = time.monotonic()
            received = seen.get("clout_engagements_received_total", 0.0)
            if received >= self._events and seen["clout_scores_owed"] == 0 and seen["clout_rounds_uncommitted"] == 0:
                started, cpu = map(float, _FIRST_FOLD.search(process.output()).groups())  # type: ignore[union-attr]
                return Run(
                    self._events,
                    now - started,
                    usage(process.pid) - cpu,
                    peak_bytes(process.pid),
                    int(seen["clout_rows"]),
                    int(seen["clout_score_updates_emitted_total"]),
                )
            # Each look costs the worker some milliseconds.
            time.sleep(0.2)
        raise RuntimeError(f"the worker did not finish in {DEADLINE_S:.0f} s: {process.output()[-3000:]}")


def metrics(url: str) -> dict[str, float]:
    """Return the sum of each metric over its labels; empty while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("clout_"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums
