"""`python -m tests.bench`: run the benchmarks, print their table, write build/bench.json."""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.local.guard import Guard
from pipeline.settings import Settings
from tests.bench.fold import EVENTS, RUNS, FoldBench, Run
from tests.support.cluster import Broker, Cluster

BUILD = Path(__file__).parents[2] / "build"
PARTS = ("fold", "workers", "sink", "latency", "alerts", "http", "recovery", "jetstream", "export")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", choices=PARTS, default=None)
    parser.add_argument("--rows", type=int, action="append", help="of the recovery bench; may be given several times")
    parser.add_argument("--users", type=int, default=200_000, help="of the export bench")
    options = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        guard = Guard()
        if options.only in (None, "fold"):
            results["fold"] = fold(guard, directory, options.events, options.runs)
        if options.only in (None, "workers"):
            from tests.bench.workers import workers

            results["workers"] = workers(guard, directory, options.events)
        if options.only in (None, "sink"):
            from tests.bench.sink import sink

            results["sink"] = sink(guard, directory)
        if options.only in (None, "latency"):
            from tests.bench.latency import latency

            results["latency"] = latency(guard, directory)
        if options.only in (None, "alerts"):
            from tests.bench.alerts import alerts

            results["alerts"] = alerts(guard, directory)
        if options.only in (None, "http"):
            from tests.bench.http import http

            results["http"] = http(guard, directory)
        if options.only in (None, "recovery"):
            from tests.bench.recovery import ROWS, recovery

            results["recovery"] = recovery(guard, directory, tuple(options.rows or ROWS))
        if options.only in (None, "jetstream"):
            from tests.bench.jetstream import jetstream

            results["jetstream"] = jetstream(guard, directory)
        if options.only in (None, "export"):
            from tests.bench.export import measured

            results["export"] = measured(guard, directory, options.users)
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "bench.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**kept, **results}, indent=2) + "\n")
    print(f"written to {path.relative_to(BUILD.parent)}")


def fold(guard: Guard, directory: Path, events: int, runs: int) -> dict[str, float]:
    """Measure Kafka to score."""
    broker = Broker(guard, directory)
    settings = Settings(broker=broker.url, idempotence=False, session_timeout_s=6.0, data_dir=directory)
    bench = FoldBench(Cluster(settings, guard, directory), settings, guard, directory, events)
    try:
        medians = bench.run(runs)
    finally:
        broker.kill()
    _print_fold(bench, medians)
    return medians


def _print_fold(bench: FoldBench, medians: dict[str, float]) -> None:
    table = Table(title="Kafka to score, one process, 8 partitions, Tansu", title_justify="left")
    for column in ("what", "events/s", "of the limit", "x plain Faust", "CPU us/event", "peak MB", "rows", "documents"):
        table.add_column(column, justify="left" if column == "what" else "right")
    contenders: list[tuple[str, str, list[Run]]] = [
        ("limit", "limit: fetch and decode, nothing else", bench.limit),
        ("worker", "worker: fold, flush, emit, commit", bench.worker),
        ("plain_faust", "plain Faust: hopping table, an event at a time", bench.plain),
    ]
    for key, title, runs in contenders:
        median = medians[key]
        cpu = statistics.median(run.cpu / run.events for run in runs) * 1e6
        last = runs[-1]
        table.add_row(
            title,
            f"{median:,.0f}",
            f"{median / medians['limit']:.2f}",
            f"{median / medians['plain_faust']:,.0f}",
            f"{cpu:.2f}",
            f"{last.peak / 1e6:,.0f}" if last.peak else "",
            f"{last.rows:,}" if last.rows else "",
            f"{last.documents:,}" if last.documents else "",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
