"""The agent `bluesky` under the load of ten Blueskys, and a server that stalls."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from pipeline.local.guard import Guard
from pipeline.local.ports import free_port, is_listening
from tests.bench.process import peak_bytes, usage
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.topics import all_engagements

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

RATE = 5_000
SECONDS = 60


@pytest.mark.parametrize("stall_s", [0, 30])
def test_ten_blueskys_for_a_minute(cluster: Cluster, guard: Guard, tmp_path: Path, stall_s: int) -> None:
    """One core is enough, memory is bounded, and nothing is lost, also when the server stalls and comes back."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.peers.flood", str(port), str(RATE), str(SECONDS), str(stall_s)]
    flood = Logged("flood", command, guard, tmp_path, cluster.environment())
    cluster.processes.append(flood)
    eventually(lambda: is_listening(port), 20, "the server listens")
    agent = cluster.run("agent", "bluesky", "--host", f"ws://127.0.0.1:{port}")
    began = time.monotonic()
    eventually(lambda: flood.output().strip().isdigit(), SECONDS * 3, "everything has happened")
    expected = int(flood.output())

    def logged() -> int:
        return len({(event.id, event.undo) for event in asyncio.run(all_engagements(cluster.settings))})

    eventually(lambda: cursor_rests(cluster), 90, "the agent has read everything")
    elapsed, used = time.monotonic() - began, usage(agent.pid)
    peak = peak_bytes(agent.pid)
    assert logged() == expected
    print(f"{RATE} frames/s for {SECONDS} s: {used / elapsed:.2f} of a core, peak {peak >> 20} MiB")
    assert used < SECONDS * 1.0
    assert peak < 400 << 20
    assert agent.stop() == 0


def cursor_rests(cluster: Cluster) -> bool:
    """Tell whether the cursor has not moved for two seconds."""
    path = cluster.settings.data_dir / "cursors" / "bluesky.json"
    before = path.read_bytes()
    time.sleep(2)
    return path.read_bytes() == before
