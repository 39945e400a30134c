"""What can be seen of a running pipeline from outside: its topics and its metrics."""

import re
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka import TopicPartition

from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.state.sources import SOURCES
from pipeline.topics import ENGAGEMENT_TOPICS
from schemas import ScoreDocument
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.topics import read_topic

FATES: Final = ("applied", "duplicate", "late", "forgotten", "dead_lettered")

_SCORE: Final = msgspec.json.Decoder(ScoreDocument)
_LINE: Final = re.compile(r"(clout_\w+)(?:\{(.*)\})? (\S+)")


async def count_records(settings: Settings) -> int:
    """Return how many engagements the broker has in its topics, by reading them."""
    return len(await read_topic(settings, *ENGAGEMENT_TOPICS))


async def committed(settings: Settings, *topics: str) -> set[int | None]:
    """Return the offsets that the worker's group has committed, by default of every topic that it folds."""
    async with LogReader(settings, group=settings.topic_prefix + "worker") as reader:
        tps = [
            TopicPartition(settings.topic_prefix + name, number)
            for name in topics or SOURCES
            for number in range(settings.partitions)
        ]
        return set((await reader.committed(tps)).values())


async def read_scores(settings: Settings) -> list[ScoreDocument]:
    """Return every score document in the topic, each partition's in the order of the log."""
    return [document for document, _ in await read_emitted(settings)]


async def read_emitted(settings: Settings) -> list[tuple[ScoreDocument, bytes]]:
    """Return the same, each with the offsets that it was made at."""
    return [
        (_SCORE.decode(record.value), dict(record.headers)["offsets"])
        for record in await read_topic(settings, "scores")
        if record.value is not None
    ]


def newest(documents: Iterable[ScoreDocument]) -> dict[str, ScoreDocument]:
    """Return what a reader holds that keeps the highest version."""
    held: dict[str, ScoreDocument] = {}
    for document in documents:
        if document.user not in held or document.version >= held[document.user].version:
            held[document.user] = document
    return held


@dataclass(frozen=True, slots=True)
class Metrics:
    """One reading of a role's metrics."""

    values: dict[tuple[str, str], float]

    def total(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        return sum(value for (found, _), value in self.values.items() if found == name)

    def fates(self) -> dict[str, int]:
        """Return how many records met each fate."""
        return {fate: int(self.total(f"clout_engagements_{fate}_total")) for fate in FATES}

    @property
    def received(self) -> int:
        """Records folded, of whatever fate."""
        return int(self.total("clout_engagements_received_total"))

    def by_label(self, name: str) -> dict[str, float]:
        """Return a metric by its labels."""
        return {labels: value for (found, labels), value in self.values.items() if found == name}


def received_by_all(readings: Iterable[Metrics]) -> int:
    """Return the records folded; of a partition that has moved, its present owner tells the most."""
    most: dict[str, float] = {}
    for reading in readings:
        for partition, count in reading.by_label("clout_engagements_received_total").items():
            most[partition] = max(count, most.get(partition, 0.0))
    return int(sum(most.values()))


def fates_by_all(readings: Iterable[Metrics]) -> dict[str, int]:
    """Return how many records met each fate; of a partition that has moved, as its present owner tells it."""
    present: dict[str, Metrics] = {}
    received: dict[str, float] = {}
    for reading in readings:
        for partition, count in reading.by_label("clout_engagements_received_total").items():
            if count >= received.get(partition, 0.0):
                received[partition], present[partition] = count, reading
    return {
        fate: int(
            sum(
                reading.by_label(f"clout_engagements_{fate}_total").get(partition, 0.0)
                for partition, reading in present.items()
            )
        )
        for fate in FATES
    }


def metrics(role: Role) -> Metrics:
    """Read the metrics of a role; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"{role.url}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    except OSError:
        return Metrics({})
    values: dict[tuple[str, str], float] = defaultdict(float)
    for match in map(_LINE.fullmatch, text.splitlines()):
        if match:
            values[match[1], match[2] or ""] += float(match[3])
    return Metrics(dict(values))


def wait_for_rest(workers: Sequence[Role], records: int | Callable[[], int], deadline_s: float = 120) -> list[Metrics]:
    """
    Wait until the workers have folded, emitted and committed everything, and return their last metrics.

    Args:
        workers: All that run.
        records: In the input topics, of all times; a function where workers write to them, too.
        deadline_s: To wait at most: small moves of a score alone are held back for up to 30 s.
    """
    readings: list[Metrics] = []
    rested: list[float] = []

    def at_rest() -> bool:
        for worker in workers:
            assert worker.is_running(), f"{worker.name} ended: {worker.output()[-6000:]}"
        readings[:] = [metrics(worker) for worker in workers]
        rests = (
            all(reading.values for reading in readings)
            and received_by_all(readings) == (records if isinstance(records, int) else records())
            and not any(reading.total("clout_scores_owed") for reading in readings)
            and not any(reading.total("clout_rounds_uncommitted") for reading in readings)
        )
        if not rests:
            rested.clear()
            return False
        rounds = [reading.total("clout_commit_round_duration_seconds_count") for reading in readings]
        rested[:] = rested or rounds
        # A round counts what it folded before it has written it: only a round that began later tells that it is done.
        return all(now >= then + 2 for now, then in zip(rounds, rested, strict=True))

    try:
        eventually(at_rest, deadline_s, f"{records} records are folded, emitted and committed")
    except AssertionError as error:
        told = [(r.received, r.total("clout_scores_owed"), r.total("clout_rounds_uncommitted")) for r in readings]
        all_told = f"received by all: {received_by_all(readings)}; received, owed, uncommitted of each worker: {told}"
        raise AssertionError(f"{error}; {all_told}") from error
    return readings
