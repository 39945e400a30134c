"""A backfill, and the live stream after it: where both tell of an event it counts once, and none is missing between."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from pipeline.clock import system_clock
from pipeline.state.sources import SOURCES
from schemas import Engagement, Post
from tests.chaos.trial import Trial
from tests.integration.test_agent_bluesky import consistent
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually_async
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis
from tests.support.peers.bluesky import Happenings
from tests.support.peers.jetstream import JetstreamPeer
from tests.support.topics import all_engagements, has_ids, read_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[JetstreamPeer]:
    """A Jetstream server."""
    peer = await JetstreamPeer().start()
    yield peer
    await peer.stop()


def write(path: Path, frames: Sequence[dict[str, Any]]) -> str:
    """Write a recording."""
    path.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    return str(path)


async def ends(process: Logged) -> str:
    """Wait until a command ends well; returns what it said."""

    async def ended() -> bool:
        return not process.is_running()

    await eventually_async(ended, 90, f"{process.name} ends")
    assert process.stop() == 0, process.output()
    return process.output()


async def arrives(cluster: Cluster, expected: set[tuple[str, bool]]) -> list[Engagement]:
    """Wait until all that is expected is in the log; returns the log."""

    async def there() -> bool:
        return await has_ids(cluster.settings, expected)

    await eventually_async(there, 90, "everything is in the log")
    return await all_engagements(cluster.settings)


async def check(cluster: Cluster, told: Happenings) -> int:
    """Each event that happened is counted once, by the ledger and by the oracle; returns how many were told twice."""
    events = await arrives(cluster, told.expected)
    assert {(event.id, event.undo) for event in events} == told.expected
    ledger = Ledger(0)
    ledger.acknowledge(events)
    posts = [msgspec.json.decode(record.value, type=Post) for record in await read_topic(cluster.settings, "posts")]
    trial = Trial(cluster, Nemesis(0), ledger)
    worker = cluster.start("worker")
    await asyncio.to_thread(trial.settle, [worker], records=len(await read_topic(cluster.settings, *SOURCES)))
    report = await asyncio.to_thread(trial.compare, ledger.expected(), undone=True)
    assert report.fates["duplicate"] == ledger.duplicates + len(posts) - len({post.id for post in posts})
    assert await asyncio.to_thread(worker.stop) == 0
    return ledger.duplicates


async def test_the_stream_goes_on_where_the_file_ends(cluster: Cluster, peer: JetstreamPeer, tmp_path: Path) -> None:
    """Five seconds are heard twice; likes from the file that the stream takes back are withdrawn."""
    told = Happenings(5, system_clock() * 1_000 - 90_000_000, step_us=20_000)
    frames = list(told.frames(3_000))
    file = write(tmp_path / "recorded.jsonl", frames[:2_000])
    await peer.say(*frames[1_000:])
    replayed = cluster.run("agent", "replay", file, "--format", "jetstream", "--before", "bluesky")
    output = await ends(replayed)
    assert "clout agent bluesky" in output
    # Killed just before its end it would have left none: the next run does, though there is nothing left to read.
    cursor_file = cluster.settings.data_dir / "cursors" / "bluesky.json"
    handed_over = cursor_file.read_bytes()
    cursor_file.unlink()
    options = ("--format", "jetstream", "--before", "bluesky", "--resume")
    assert "bluesky: goes on from" in await ends(cluster.run("agent", "replay", file, *options))
    assert cursor_file.read_bytes() == handed_over
    agent = cluster.run("agent", "bluesky", "--host", peer.url)
    events = await arrives(cluster, told.expected)
    assert await asyncio.to_thread(agent.stop) == 0
    kept = [event for event in events if (event.id, True) not in told.expected]
    assert consistent(kept), "what both tell is the same, with the same stamps"
    recorded = {frame["commit"]["rkey"] for frame in frames[:1_700] if frame["commit"]["operation"] == "create"}
    taken_back = {frame["commit"]["rkey"] for frame in frames[2_000:] if frame["commit"]["operation"] == "delete"}
    assert len(recorded & taken_back) > 10, "the stream takes back what only the file has"
    assert await check(cluster, told) > 100, "the file and the stream overlap"
    cursor = int(peer.asked[0].partition("cursor=")[2].partition("&")[0])
    assert frames[1_999]["time_us"] - 5_001_000 <= cursor <= frames[1_999]["time_us"] - 5_000_000


async def test_a_file_that_the_stream_has_overtaken_is_cut(
    cluster: Cluster, peer: JetstreamPeer, tmp_path: Path
) -> None:
    """The stream ran first and longer than any horizon remembers: the file is read up to its first event."""
    told = Happenings(6, system_clock() * 1_000 - 90_000_000, step_us=20_000)
    frames = list(told.frames(3_000))
    first = frames[1_200]["time_us"] // 1_000
    # Without a horizon that reaches back, the times alone keep both apart.
    cluster.settings = cluster.settings.model_copy(update={"dedupe_ids": 1_000})
    agent = cluster.run("agent", "bluesky", "--host", peer.url)

    async def asked() -> bool:
        return bool(peer.asked)

    async def through() -> bool:
        return len(await all_engagements(cluster.settings)) > 1_000

    await eventually_async(asked, 60, "the agent listens")
    await peer.say(*frames[1_200:])
    await eventually_async(through, 60, "the stream is in the log")
    file = write(tmp_path / "recorded.jsonl", frames)
    output = await ends(cluster.run("agent", "replay", file, "--format", "jetstream", "--until", str(first)))
    assert "after_until" in output
    assert await check(cluster, told) == 0, "nothing is there twice"
    assert await asyncio.to_thread(agent.stop) == 0
    assert "undo_unknown" in agent.output(), "the stream took back what only the file knows"
