"""Recovery: rows from the changelog, a killed worker's way back, memory, the changelog's size; and snapshots."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from aiokafka import TopicPartition
from rich.console import Console
from rich.table import Table

from pipeline.local.child import resident_mb
from pipeline.local.guard import Guard
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.topics import CHANGELOG
from tests.bench.rows import write_rows
from tests.support.cluster import Broker, Cluster, Logged, Role, Valkey
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.support.observed import metrics

ROWS = (100_000, 1_000_000)
RATE = 2_000
"""Events per second while the worker is killed, and while its changelog is measured."""
LOAD_S = 10.0
DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured with one number of rows."""

    rows: int
    recovery_s: float
    """Until the streams go on: with the changelog, the ids within the horizon are read."""
    recovery_rows_s: float
    changelog_mb: float
    """What was recovered from: keys and values of all rows, each once, uncompressed."""
    bytes_row: float
    """Resident memory of the worker at rest, less that of one without rows: index and emission times included."""
    restart_s: float
    """From SIGKILL under load to a successor that has folded, emitted and committed everything; its start included."""
    changelog_mb_million: float
    """Written for a million events in live operation, uncompressed."""
    changelog_records_event: float
    snapshot_s: float
    """The command `clout snapshot`, from start to end."""
    snapshot_mb: float
    restore_s: float
    """The command `clout restore`."""


def recovery(guard: Guard, directory: Path, counts: tuple[int, ...] = ROWS) -> dict[str, dict[str, float]]:
    """Measure with several numbers of rows and print a table."""
    results = [_measure(guard, directory, count) for count in counts]
    _print(results)
    return {str(count): asdict(result) for count, result in zip(counts, results, strict=True)}


def _measure(guard: Guard, directory: Path, count: int) -> Result:
    broker, valkey = Broker(guard, directory), Valkey(guard, directory)
    settings = Settings(
        broker=broker.url,
        redis=valkey.url,
        idempotence=False,
        session_timeout_s=6.0,
        data_dir=directory,
        log_format="json",
    )
    try:
        return _Bench(settings, guard, directory).run(count)
    finally:
        broker.kill()
        valkey.kill()


class _Bench:
    """One broker, one population of rows."""

    def __init__(self, settings: Settings, guard: Guard, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._guard = guard
        self._cluster = self._deployment("clout.")

    def _deployment(self, prefix: str) -> Cluster:
        return Cluster(self._settings.model_copy(update={"topic_prefix": prefix}), self._guard, self._directory)

    def run(self, count: int) -> Result:
        empty = self._empty_mb()
        path = self._directory / f"{count}.clout"
        rows = write_rows(self._settings, count, path)
        print(f"made {rows:,} rows of {count * 5:,} events", flush=True)
        restore_s = self._timed("restore", str(path))
        worker = self._worker()
        recovered = self._recovered(worker)
        assert recovered["rows"] == rows, recovered
        _wait_for_rest(worker, 0)
        bytes_row = (resident_mb(worker.pid) - empty) * 1e6 / rows
        changelog = self._changelog()
        restart_s, worker, events = self._kill(worker)
        written = self._changelog()
        assert worker.stop() == 0
        snapshot_s = self._timed("snapshot", str(path))
        self._cluster.stop()
        return Result(
            rows=rows,
            recovery_s=recovered["seconds"],
            recovery_rows_s=rows / recovered["seconds"],
            changelog_mb=changelog[1] / 1e6,
            bytes_row=bytes_row,
            restart_s=restart_s,
            changelog_mb_million=(written[1] - changelog[1]) / events,
            changelog_records_event=(written[0] - changelog[0]) / events,
            snapshot_s=snapshot_s,
            snapshot_mb=path.stat().st_size / 1e6,
            restore_s=restore_s,
        )

    def _empty_mb(self) -> float:
        cluster = self._deployment("empty.")
        worker = cluster.start("worker").wait_ready()
        _wait_for_rest(worker, 0)
        megabytes = resident_mb(worker.pid)
        cluster.stop()
        return megabytes

    def _timed(self, *command: str) -> float:
        began = time.monotonic()
        process: Logged = self._cluster.run(*command)
        eventually(lambda: not process.is_running(), DEADLINE_S, f"{command[0]} ends")
        assert process.child.status() == 0, process.output()
        print(process.output().strip(), flush=True)
        return time.monotonic() - began

    def _worker(self) -> Role:
        return self._cluster.start("worker").wait_ready(DEADLINE_S)

    @staticmethod
    def _recovered(worker: Role) -> dict[str, float]:
        lines = [line for line in worker.output().splitlines() if '"recovered"' in line]
        told: dict[str, float] = json.loads(lines[-1])
        return told

    def _changelog(self) -> tuple[int, int]:
        """Return the records of the changelog and their bytes."""
        return asyncio.run(_size(self._cluster.settings, CHANGELOG.name))

    def _kill(self, worker: Role) -> tuple[float, Role, int]:
        """Kill the worker under load; return the seconds to its successor's rest, that one, and the events."""
        ledger = Ledger(1, users=2_000)
        with Load(self._cluster.settings, ledger, RATE):
            target = int(RATE * LOAD_S)
            eventually(lambda: ledger.records > target, DEADLINE_S, "events flow")
            assert worker.kill() == -9
            began = time.monotonic()
            successor = self._worker()
            more = ledger.records + RATE
            eventually(lambda: ledger.records > more, DEADLINE_S, "events flow on")
        _wait_for_rest(successor, ledger.records)
        return time.monotonic() - began, successor, ledger.records


def _wait_for_rest(worker: Role, least: int) -> None:
    """Wait until everything is folded, emitted and committed."""
    calm = 0

    def rests() -> bool:
        nonlocal calm
        reading = metrics(worker)
        done = (
            bool(reading.values)
            and reading.received >= least
            and not reading.total("clout_scores_owed")
            and not reading.total("clout_rounds_uncommitted")
            and not reading.total("clout_consumer_lag_records")
        )
        calm = calm + 1 if done else 0
        return calm > 10

    eventually(rests, DEADLINE_S, f"{worker.name} is at rest; its log is {worker.log}")


async def _size(settings: Settings, topic: str) -> tuple[int, int]:
    tps = [TopicPartition(settings.topic_prefix + topic, number) for number in range(settings.partitions)]
    records = size = 0
    async with LogReader(settings) as reader:
        async for _, found in reader.read(await reader.begins(tps)):
            records += len(found)
            size += sum(len(record.key or b"") + len(record.value or b"") for record in found)
    return records, size


def _print(results: list[Result]) -> None:
    table = Table(title="Recovery, one worker, 8 partitions, Tansu", title_justify="left")
    lines: list[tuple[str, list[str]]] = [
        ("rows", [f"{each.rows:,}" for each in results]),
        ("recovery, rows/s", [f"{each.recovery_rows_s:,.0f}" for each in results]),
        ("recovery, s", [f"{each.recovery_s:.2f}" for each in results]),
        ("SIGKILL to caught up, s", [f"{each.restart_s:.1f}" for each in results]),
        ("resident memory a row, bytes", [f"{each.bytes_row:,.0f}" for each in results]),
        ("a row in the changelog, bytes", [f"{each.changelog_mb * 1e6 / each.rows:,.0f}" for each in results]),
        ("changelog per million events, MB", [f"{each.changelog_mb_million:,.0f}" for each in results]),
        ("changelog records per event", [f"{each.changelog_records_event:.2f}" for each in results]),
        ("clout snapshot, s", [f"{each.snapshot_s:.1f}" for each in results]),
        ("clout restore, s", [f"{each.restore_s:.1f}" for each in results]),
        ("snapshot, MB", [f"{each.snapshot_mb:,.1f}" for each in results]),
    ]
    table.add_column("what")
    for _ in results:
        table.add_column(justify="right")
    for title, values in lines:
        table.add_row(title, *values)
    Console(width=140).print(table)
