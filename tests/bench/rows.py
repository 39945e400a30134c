"""A population of rows for the recovery bench: folded from synthetic events, written as a snapshot."""

from pathlib import Path

from agents.routes import Chunk, Routes
from agents.synthetic import SyntheticConfig, generate
from pipeline.clock import system_clock
from pipeline.deployment import state_config
from pipeline.settings import Settings
from pipeline.snapshot.blocks import Head
from pipeline.snapshot.capture import write_partition
from pipeline.snapshot.file import SnapshotWriter
from pipeline.state.partition import Partition
from pipeline.state.records import Records
from pipeline.state.sources import SOURCE_OF
from tests.bench.traffic import DAYS, SEED

EVENTS_A_ROW = 5
"""In the mean; most rows have fewer, a few have thousands."""
_USERS_A_ROW = 1.8
"""Not every user gets an event."""
_SETTLE_AFTER = 200_000
"""Events."""


def write_rows(settings: Settings, rows: int, path: Path) -> int:
    """Write a snapshot of about so many heavy-tailed rows and return how many there are."""
    parts = [Partition(number, state_config(settings)) for number in range(settings.partitions)]
    routes = Routes(settings)
    start = system_clock() - 60_000
    users = int(rows * _USERS_A_ROW)
    config = SyntheticConfig(users=users, events=rows * EVENTS_A_ROW, seed=SEED, spread_days=DAYS, start_ms=start)
    waiting = 0
    for records in generate(config):
        for chunk in routes.route(records):
            _fold(settings, parts, chunk)
        waiting += len(records)
        if waiting > _SETTLE_AFTER:
            waiting = 0
            for part in parts:
                part.settle()
    with SnapshotWriter(path) as writer:
        writer.add(Head("bench", start, "bench", settings.topic_prefix, settings.partitions))
        for part in parts:
            part.settle()
            write_partition(writer, part, [])
    return writer.rows


def _fold(settings: Settings, parts: list[Partition], chunk: Chunk) -> None:
    source = SOURCE_OF[chunk.topic.removeprefix(settings.topic_prefix)]
    part = parts[chunk.partition]
    first, n = int(part.positions[source]), len(chunk.values)
    offsets = list(range(first, first + n))
    part.fold(source, Records.of(first, first + n, offsets, [system_clock()] * n, list(chunk.keys), list(chunk.values)))
