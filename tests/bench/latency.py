"""
Freshness: how long it takes from publishing an event to the score that it moved, visible in Redis.

Broker, Valkey, worker, sink, publisher and a subscriber of `clout:changes` are processes of their own that share this
machine. One run goes through all rates, with the same 100,000 users and the state that the rate before left.

What is measured, for each document in `clout.scores` that moved its user's score by 0.1 or more, first documents too:

- It begins when the event was handed to the publisher, before it waits there for company. Making the event up, and
  looking up its stamps, come before that and are not measured.
- It ends when a subscriber that waits for `clout:changes` holds the entry of that document (or of a newer one that
  replaced it within the same fetch of the sink). The lookup service's HTTP is not measured.
- The event is found by offsets: each document carries those that its partition had folded. The headline figures count
  from the *oldest* event that can have moved the score: folded after the last round in which the user was free to be
  emitted and was not. `newest_*` counts from the newest event in the document; the truth lies between. The time that a
  user had to wait because it was emitted less than `emit_interval_s` before is part of it.

Left out: events handed over in the first seconds of each rate (interpreters and connections warm up), and documents
that moved by the passing of time alone.
"""

import asyncio
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from pipeline.kafka import client_options
from pipeline.local.guard import Guard
from pipeline.settings import Settings
from pipeline.state.sources import SOURCES
from tests.bench.fold import metrics
from tests.bench.live import BEGINS, Published
from tests.bench.process import machine_usage, usage
from tests.bench.watch import Seen
from tests.support.cluster import Broker, Cluster, Logged, Valkey

RATES: Final = (5_000, 20_000)
SECONDS: Final = 20.0
WARM_UP_S: Final = 5.0
SETTLE_S: Final = 3.0
"""After the last event: what it moved is then visible, or the run has failed."""
DEADLINE_S: Final = 90.0
_MOVED: Final = 0.1 - 1e-4
"""Documents carry two decimals."""


class _Head(msgspec.Struct):
    user: str
    score: float
    previous: float | None
    version: int
    time: int


@dataclass(frozen=True, slots=True)
class Document:
    """A record of `clout.scores`."""

    partition: int
    head: _Head
    folded: tuple[int, ...]
    """How far its partition had folded each source."""

    @property
    def moved(self) -> bool:
        """Whether the score moved by as much as is told at once."""
        return self.head.previous is None or abs(self.head.score - self.head.previous) >= _MOVED


@dataclass(slots=True)
class Phase:
    """One rate: what was published, what it cost."""

    rate: int
    published: Published
    cpu: dict[str, float]
    """Share of a core, by process; `all else` is whatever else ran on the machine, the subscriber among it."""
    rounds: int
    round_s: float
    """Mean."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One document that an event moved; Unix s."""

    oldest: float
    newest: float
    computed: float
    seen: float


@dataclass(slots=True)
class _Rounds:
    """The rounds of one partition that emitted something, in their order."""

    versions: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    folded: list[tuple[int, ...]] = field(default_factory=list)

    def number(self, document: Document) -> int:
        """Return the round of a document, noting it when it is a new one."""
        head = document.head
        # Two rounds have one version when nothing was folded between them.
        if not self.versions or (self.versions[-1], self.times[-1]) != (head.version, head.time):
            self.versions.append(head.version)
            self.times.append(head.time)
            self.folded.append(document.folded)
        return len(self.versions) - 1


class LatencyBench:
    """Runs the pipeline under live traffic and joins what went in with what came out."""

    def __init__(self, settings: Settings, guard: Guard, directory: Path) -> None:
        self._settings = settings
        self._guard = guard
        self._directory = directory
        self._cluster = Cluster(settings, guard, directory)
        self.phases: list[Phase] = []
        self.unseen = 0

    def run(self, rates: tuple[int, ...], others: dict[str, Logged]) -> dict[int, list[Sample]]:
        """
        Go through the rates and return the samples of each.

        Args:
            rates: Events per second.
            others: Processes whose use of the processor is told too, by name.
        """
        output = self._directory / "seen"
        watcher = self._start("tests.bench.watch", str(output))
        worker, sink = self._cluster.start("worker"), self._cluster.start("sink")
        try:
            worker.wait_ready()
            sink.wait_ready()
            for rate in rates:
                self.phases.append(self._phase(rate, {**others, "worker": worker, "sink": sink}, worker.url))
            documents = asyncio.run(read_documents(self._settings))
            watcher.stop(30.0)
            seen = msgspec.msgpack.decode(output.read_bytes(), type=list[Seen])
        finally:
            self._cluster.stop()
        return self._samples(documents, seen)

    def _start(self, module: str, *arguments: str) -> Logged:
        command = [sys.executable, "-m", module, *arguments]
        name = f"{module.rpartition('.')[2]}-{len(self._cluster.processes)}"
        process = Logged(name, command, self._guard, self._directory, self._cluster.environment())
        self._cluster.processes.append(process)
        return process

    def _phase(self, rate: int, processes: dict[str, Logged], worker_url: str) -> Phase:
        output = self._directory / f"published-{rate}"
        began = time.monotonic()
        publisher = self._start("tests.bench.live", str(rate), str(SECONDS), str(output))
        processes = {**processes, "publisher": publisher}
        while publisher.is_running() and BEGINS not in publisher.output():
            time.sleep(0.02)
        before = metrics(worker_url + "/metrics")
        spent = {name: usage(process.pid) for name, process in processes.items()}
        before_all, spent_publisher = machine_usage(), 0.0
        begins = time.monotonic()
        while publisher.is_running():
            with suppress(FileNotFoundError):
                spent_publisher = usage(publisher.pid)
            if time.monotonic() - began > DEADLINE_S:
                raise RuntimeError(f"{rate:,} events/s were not published in {DEADLINE_S:.0f} s: {publisher.output()}")
            time.sleep(0.1)
        if not output.exists():
            raise RuntimeError(f"the publisher ended: {publisher.output()[-3000:]}")
        took = time.monotonic() - begins
        del processes["publisher"]
        cpu = {name: (usage(process.pid) - spent[name]) / took for name, process in processes.items()}
        cpu["publisher"] = (spent_publisher - spent["publisher"]) / took
        cpu["all else"] = (machine_usage() - before_all) / took - sum(cpu.values())
        after = metrics(worker_url + "/metrics")
        time.sleep(SETTLE_S)
        name = "clout_commit_round_duration_seconds"
        rounds = int(after[f"{name}_count"] - before.get(f"{name}_count", 0))
        busy = after[f"{name}_sum"] - before.get(f"{name}_sum", 0)
        published = msgspec.msgpack.decode(output.read_bytes(), type=Published)
        return Phase(rate, published, cpu, rounds, busy / max(rounds, 1))

    def _samples(self, documents: list[Document], seen: list[Seen]) -> dict[int, list[Sample]]:
        events = self._events()
        shown = _shown(seen)
        begins = [phase.published.began + WARM_UP_S for phase in self.phases]
        samples: dict[int, list[Sample]] = {phase.rate: [] for phase in self.phases}
        for document, handed in self._causes(documents, events):
            newest, oldest = max(handed), min(handed)
            place = bisect_left(begins, oldest) - 1
            if place < 0 or oldest > self.phases[place].published.ended:
                continue
            at = shown(document.head.user, document.head.version)
            if at is None:
                self.unseen += 1
                continue
            samples[self.phases[place].rate].append(Sample(oldest, newest, document.head.time / 1000, at))
        return samples

    def _events(self) -> dict[str, list[tuple[int, int, float]]]:
        """Return each user's events: source, offset, when handed over."""
        events: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        base: dict[tuple[str, int], int] = defaultdict(int)
        for phase in self.phases:
            for topic, lanes in phase.published.lanes.items():
                source = SOURCES.index(topic)
                for number, lane in lanes.items():
                    first = base[topic, number]
                    base[topic, number] += len(lane.keys)
                    for offset, (key, handed) in enumerate(zip(lane.keys, lane.handed, strict=True), first):
                        events[key.decode()].append((source, offset, handed))
        return events

    def _causes(
        self, documents: list[Document], events: dict[str, list[tuple[int, int, float]]]
    ) -> Iterator[tuple[Document, list[float]]]:
        """Yield each document that moved with the times of the events that can have moved it."""
        interval_ms = int(self._settings.emit_interval_s * 1000)
        rounds: dict[int, _Rounds] = defaultdict(_Rounds)
        emitted: dict[str, int] = {}
        for document in documents:
            held = rounds[document.partition]
            number = held.number(document)
            before = emitted.get(document.head.user, -1)
            emitted[document.head.user] = number
            if not document.moved:
                continue
            last = number - 1
            while last > before >= 0 and held.times[last] - held.times[before] < interval_ms:
                last -= 1
            start = held.folded[last] if last >= 0 else (0,) * len(SOURCES)
            handed = [
                at
                for source, offset, at in events[document.head.user]
                if start[source] <= offset < document.folded[source]
            ]
            if handed:
                yield document, handed


def _shown(seen: list[Seen]) -> Any:
    """Return a function that tells when a user's document of a version, or a newer one, was visible."""
    versions: dict[str, list[int]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    for entry in seen:
        versions[entry.user].append(entry.version)
        times[entry.user].append(entry.at)

    def when(user: str, version: int) -> float | None:
        place = bisect_left(versions[user], version)
        return times[user][place] if place < len(times[user]) else None

    return when


async def read_documents(settings: Settings) -> list[Document]:
    """Return all of `clout.scores`, each partition in its order."""
    topic = settings.topic_prefix + "scores"
    partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=50)
    decode = msgspec.json.Decoder(_Head).decode
    decode_offsets = msgspec.json.Decoder(dict[str, int]).decode
    documents: list[Document] = []
    folded: dict[bytes, tuple[int, ...]] = {}
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        read = dict.fromkeys(partitions, 0)
        while any((end := consumer.highwater(tp)) is None or read[tp] < end for tp in partitions):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                read[tp] = records[-1].offset + 1
                for record in records:
                    header = dict(record.headers)["offsets"]
                    if header not in folded:
                        offsets = decode_offsets(header)
                        folded[header] = tuple(offsets[name] for name in SOURCES)
                    documents.append(Document(tp.partition, decode(record.value), folded[header]))
    finally:
        await consumer.stop()
    return documents


def latency(guard: Guard, directory: Path, rates: tuple[int, ...] = RATES) -> dict[str, dict[str, float]]:
    """
    Measure freshness at each rate, print it, and return it in seconds.

    Raises:
        RuntimeError: A process ended, or a document never became visible.
    """
    broker, valkey = Broker(guard, directory), Valkey(guard, directory)
    settings = Settings(
        broker=broker.url, redis=valkey.url, idempotence=False, session_timeout_s=6.0, data_dir=directory
    )
    bench = LatencyBench(settings, guard, directory)
    try:
        samples = bench.run(rates, {"broker": broker, "valkey": valkey})
    finally:
        broker.kill()
        valkey.kill()
    if bench.unseen:
        raise RuntimeError(f"{bench.unseen:,} documents were never seen in Redis")
    results = {str(phase.rate): _figures(phase, samples[phase.rate]) for phase in bench.phases}
    _print(bench.phases, results)
    return results


def _figures(phase: Phase, samples: list[Sample]) -> dict[str, float]:
    if not samples:
        raise RuntimeError(f"no score moved at {phase.rate:,} events/s")
    columns = np.array([(one.oldest, one.newest, one.computed, one.seen) for one in samples])
    oldest, newest, computed, seen = columns.T
    figures: dict[str, float] = {}
    for name, seconds in (
        ("", seen - oldest),
        ("newest_", seen - newest),
        ("computed_", computed - oldest),
        ("shown_", seen - computed),
    ):
        figures |= {f"{name}p50_s": float(np.quantile(seconds, 0.5)), f"{name}p99_s": float(np.quantile(seconds, 0.99))}
    published = phase.published
    return {
        **{name: round(value, 4) for name, value in figures.items()},
        "max_s": round(float((seen - oldest).max()), 4),
        "documents": len(samples),
        "events_per_s": round(published.records / (published.ended - published.began), 1),
        "rounds": phase.rounds,
        "round_s": round(phase.round_s, 4),
        **{f"cpu_{name.replace(' ', '_')}": round(value, 3) for name, value in phase.cpu.items()},
    }


def _print(phases: list[Phase], results: dict[str, dict[str, float]]) -> None:
    table = Table(
        title="Event published to score in Redis, for scores that moved by 0.1 or more, in ms", title_justify="left"
    )
    heads = ("events/s", "achieved", "documents", "p50", "p99", "max", "newest p50", "p99", "to score p50", "p99")
    for head in (*heads, "to Redis p50", "p99", "round"):
        table.add_column(head, justify="right")
    for phase in phases:
        result = results[str(phase.rate)]
        names = ("", "newest_", "computed_", "shown_")
        spans = [f"{result[f'{name}{q}_s'] * 1000:,.0f}" for name in names for q in ("p50", "p99")]
        table.add_row(
            f"{phase.rate:,}",
            f"{result['events_per_s']:,.0f}",
            f"{result['documents']:,.0f}",
            *spans[:2],
            f"{result['max_s'] * 1000:,.0f}",
            *spans[2:],
            f"{result['round_s'] * 1000:,.0f}",
        )
    console = Console(width=140)
    console.print(table)
    for phase in phases:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in phase.cpu.items())
        console.print(f"  cores at {phase.rate:,} events/s: {shares}")
