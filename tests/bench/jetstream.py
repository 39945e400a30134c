"""Ten Blueskys for a minute: what the agent `bluesky` costs at 5,000 frames a second, and when its server stalls."""

import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from pipeline.local.guard import Guard
from pipeline.local.ports import is_listening
from pipeline.settings import Settings
from tests.bench.process import peak_bytes, usage
from tests.support.cluster import Broker, Cluster, Logged, Valkey
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.topics import all_engagements

RATE: Final = 5_000
SECONDS: Final = 60
STALLS_S: Final = (0, 30)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a minute came to."""

    expected: int
    """Different engagements that the server told."""
    logged: int
    """Those that are in the log."""
    core: float
    """Share of a core, over all the time that it took."""
    cpu_s: float
    """Seconds of processor time."""
    peak_mb: float


def listen(cluster: Cluster, guard: Guard, directory: Path, stall_s: float) -> Heard:
    """
    Let the agent listen to a server that says `RATE` frames a second.

    Args:
        cluster: Has a broker and a Valkey.
        guard: Ends the server, whatever happens.
        directory: For its log.
        stall_s: So long the server says nothing, a third of the way through; then it says all that it owes.
    """
    port = free_port()
    command = [sys.executable, "-m", "tests.support.peers.flood", str(port), str(RATE), str(SECONDS), str(stall_s)]
    flood = Logged(f"flood-{port}", command, guard, directory, cluster.environment())
    cluster.processes.append(flood)
    eventually(lambda: is_listening(port), 20, "the server listens")
    agent = cluster.run("agent", "bluesky", "--host", f"ws://127.0.0.1:{port}")
    began = time.monotonic()
    eventually(lambda: flood.output().strip().isdigit(), SECONDS * 3, "everything has happened")
    eventually(lambda: _rests(cluster), 90, "the agent has read everything")
    elapsed, used, peak = time.monotonic() - began, usage(agent.pid), peak_bytes(agent.pid)
    status = agent.stop()
    assert status == 0, f"exit status {status}: {agent.output()}"
    flood.kill()
    told = {(event.id, event.undo) for event in asyncio.run(all_engagements(cluster.settings))}
    return Heard(int(flood.output()), len(told), used / elapsed, used, peak / (1 << 20))


def jetstream(guard: Guard, directory: Path) -> dict[str, dict[str, float]]:
    """Measure a server that talks all the time, and one that stalls."""
    broker, valkey = Broker(guard, directory), Valkey(guard, directory)
    table = Table(title=f"agent bluesky, {RATE:,} frames/s for {SECONDS} s", title_justify="left")
    for column in ("server", "engagements", "lost", "of a core", "peak MiB"):
        table.add_column(column, justify="left" if column == "server" else "right")
    figures = {}
    try:
        for number, stall_s in enumerate(STALLS_S):
            settings = Settings(
                _env_file=None,
                broker=broker.url,
                redis=valkey.database(number),
                topic_prefix=f"jetstream{number}.",
                data_dir=directory / f"jetstream{number}",
                agent_port=free_port(),
                idempotence=False,
            )
            cluster = Cluster(settings, guard, directory)
            try:
                heard = listen(cluster, guard, directory, stall_s)
            finally:
                cluster.stop()
            figures[f"stall_{stall_s}_s"] = asdict(heard)
            lost = heard.expected - heard.logged
            title = f"stalls {stall_s} s and comes back" if stall_s else "talks all the time"
            table.add_row(title, f"{heard.expected:,}", str(lost), f"{heard.core:.2f}", f"{heard.peak_mb:,.0f}")
    finally:
        valkey.kill()
        broker.kill()
    Console(width=100).print(table)
    return figures


def _rests(cluster: Cluster) -> bool:
    """Tell whether the cursor has not moved for two seconds."""
    path = cluster.settings.data_dir / "cursors" / "bluesky.json"
    before = path.read_bytes()
    time.sleep(2)
    return path.read_bytes() == before
