"""
The lookup service by HTTP: look-ups beside a static handler, batches, and subscribers.

Broker, Valkey, sink, lookup service and clients are processes of their own that share this machine.
"""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import quote

from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from pipeline.kafka import client_options
from pipeline.local.guard import Guard
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.bench.process import resident_bytes, usage
from tests.bench.sink import score, user
from tests.bench.traffic import SEED
from tests.support.cluster import Broker, Cluster, Role, Valkey
from tests.support.keys import client_with, create_key

USERS: Final = 30_000
HOT: Final = 1_000
ROUNDS: Final = 3
SECONDS: Final = 3.0
CONNECTIONS: Final = 32
BATCH: Final = 1_000
SUBSCRIBERS: Final = 2_000
CHANGES_PER_S: Final = 5
"""Told to every subscriber: so many times as many events a second leave the service."""
LISTEN_S: Final = 15


class HttpBench:
    """One lookup service under load."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        self._serve: Role = cluster.start("serve").wait_ready()
        self._sink: Role = cluster.start("sink")
        self._draw = random.Random(SEED)
        self._version = 0

    def run(self) -> dict[str, float]:
        """Fill Redis through Kafka and measure everything."""
        asyncio.run(self._fill())
        self._sink.wait_ready()
        return {**self._look_ups(), **self._batches(), **self._subscribers()}

    async def _fill(self) -> None:
        await ensure_topics(self._settings)
        async with AIOKafkaProducer(**client_options(self._settings)) as producer:
            for number in range(USERS):
                await self._send(producer, number)
            await producer.flush()

    async def _send(self, producer: AIOKafkaProducer, number: int) -> None:
        self._version += 1
        value = score(number, self._draw.uniform(1, 99), self._version)
        value = value.replace(b'"time":1783175888412', b'"time":%d' % (time.time() * 1000))
        await producer.send(self._settings.topic_prefix + "scores", value, key=user(number).encode())

    def _look_ups(self) -> dict[str, float]:
        users = [quote(user(number), safe="") for number in range(USERS)]
        key = self._key()
        asked = {
            "static": [_get("/healthz")],
            "look_up": [_get(f"/v1/users/{name}") for name in users[:HOT]],
            "score": [_get(f"/v1/users/{name}/score") for name in users[:HOT]],
            "keyed_look_up": [_get(f"/v1/users/{name}", key) for name in users[:HOT]],
        }
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in asked}
        for _ in range(ROUNDS):
            for name, requests in asked.items():
                found[name].append(self._load(requests, CONNECTIONS))
        # Each user once, so that none is in the service's memory.
        cold = self._load([_get(f"/v1/users/{name}") for name in users[HOT:]], CONNECTIONS, once=True)
        results = {f"{name}_per_s": statistics.median(run["per_s"] for run in runs) for name, runs in found.items()}
        static = results["static_per_s"]
        return {
            **{name: round(value, 1) for name, value in results.items()},
            "cold_look_up_per_s": round(cold["per_s"], 1),
            "look_up_of_static": round(results["look_up_per_s"] / static, 3),
            "score_of_static": round(results["score_per_s"] / static, 3),
            "keyed_look_up_of_static": round(results["keyed_look_up_per_s"] / static, 3),
            "cold_look_up_of_static": round(cold["per_s"] / static, 3),
            "look_up_p99_ms": round(statistics.median(run["p99_ms"] for run in found["look_up"]), 2),
        }

    def _key(self) -> str:
        """Return a key that the service knows, with a limit that is counted and never met."""
        key = create_key(self._settings, "read", requests_per_s=1e6)
        with client_with(key, self._serve):
            return key

    def _batches(self) -> dict[str, float]:
        def post() -> str:
            body = json.dumps({"users": [user(number) for number in self._draw.sample(range(USERS), BATCH)]})
            head = "POST /v1/scores HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json"
            return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}"

        before = usage(self._serve.pid)
        run = self._load([post() for _ in range(100)], 8)
        spent = usage(self._serve.pid) - before
        scores = run["answers"] * BATCH
        return {"batch_scores_per_s": round(run["per_s"] * BATCH), "batch_scores_per_core_s": round(scores / spent)}

    def _load(self, requests: list[str], connections: int, *, once: bool = False) -> dict[str, Any]:
        seconds = 0.0 if once else SECONDS
        command = [sys.executable, "-m", "tests.bench.requests", "127.0.0.1", str(self._serve.port)]
        asked = subprocess.run(
            [*command, str(connections), str(seconds)],
            input=json.dumps(requests), stdout=subprocess.PIPE, text=True, check=True, timeout=60,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(asked.stdout)
        if set(found["statuses"]) != {"200"}:
            raise RuntimeError(f"not every request was answered by 200: {found['statuses']}")
        return found

    def _subscribers(self) -> dict[str, float]:
        before = resident_bytes(self._serve.pid)
        command = [
            sys.executable,
            "-m",
            "tests.bench.listeners",
            str(self._serve.port),
            str(SUBSCRIBERS),
            "/v1/changes",
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listeners:
            output, stdin = cast("IO[str]", listeners.stdout), cast("IO[str]", listeners.stdin)
            if output.readline() != "ready\n":
                raise RuntimeError("not all subscribers were let in")
            each = (resident_bytes(self._serve.pid) - before) / SUBSCRIBERS
            spent = usage(self._serve.pid)
            asyncio.run(self._tell())
            spent = usage(self._serve.pid) - spent
            time.sleep(2.0)  # what is late still counts
            stdin.close()
            found = json.loads(output.readline())
        told = CHANGES_PER_S * LISTEN_S
        if found["fewest"] < told:
            raise RuntimeError(f"{told} changes were told, and a subscriber got {found['fewest']}")
        return {
            "subscribers": SUBSCRIBERS,
            "subscriber_events_per_s": SUBSCRIBERS * CHANGES_PER_S,
            "subscriber_p50_ms": round(found["p50_ms"], 1),
            "subscriber_p99_ms": round(found["p99_ms"], 1),
            "subscriber_max_ms": round(found["max_ms"], 1),
            "subscriber_bytes": round(each),
            "subscriber_cpu": round(spent / LISTEN_S, 3),
        }

    async def _tell(self) -> None:
        """Publish changes one by one, evenly."""
        async with AIOKafkaProducer(**client_options(self._settings)) as producer:
            began = time.monotonic()
            for number in range(CHANGES_PER_S * LISTEN_S):
                await asyncio.sleep(max(0.0, began + number / CHANGES_PER_S - time.monotonic()))
                await self._send(producer, number)
            await producer.flush()
            await asyncio.sleep(max(0.0, began + LISTEN_S - time.monotonic()))


def _get(path: str, key: str = "") -> str:
    held = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{held}\r\n"


def http(guard: Guard, directory: Path) -> dict[str, float]:
    """
    Measure, print and return.

    Raises:
        RuntimeError: Something was not answered, or not told.
    """
    broker, valkey = Broker(guard, directory), Valkey(guard, directory)
    settings = Settings(broker=broker.url, redis=valkey.url, idempotence=False, data_dir=directory)
    cluster = Cluster(settings, guard, directory)
    try:
        results = HttpBench(settings, cluster).run()
    finally:
        cluster.stop()
        broker.kill()
        valkey.kill()
    _print(results)
    return results


def _print(found: dict[str, float]) -> None:
    table = Table(title="The lookup service by HTTP, one process", title_justify="left")
    for column in ("what", "a second", "of static"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, what in (
        ("static", "a static handler"),
        ("look_up", "look-ups of hot users"),
        ("score", "scores of hot users"),
        ("keyed_look_up", "look-ups of hot users with an API key and its limit"),
        ("cold_look_up", "look-ups of users not asked for before"),
    ):
        ratio = "" if name == "static" else f"{found[f'{name}_of_static']:.2f}"
        table.add_row(what, f"{found[f'{name}_per_s']:,.0f}", ratio)
    table.add_row(f"scores in batches of {BATCH:,}", f"{found['batch_scores_per_s']:,.0f}", "")
    table.add_row("the same, by one core", f"{found['batch_scores_per_core_s']:,.0f}", "")
    console = Console(width=120)
    console.print(table)
    console.print(
        f"  {SUBSCRIBERS:,} subscribers of every change, {CHANGES_PER_S} changes/s: from Kafka to client "
        f"p50 {found['subscriber_p50_ms']:.0f} ms, p99 {found['subscriber_p99_ms']:.0f} ms, "
        f"max {found['subscriber_max_ms']:.0f} ms; {found['subscriber_bytes'] / 1000:.1f} KB each; "
        f"{found['subscriber_cpu']:.2f} cores"
    )
