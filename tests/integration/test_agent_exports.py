"""Exports and tables, published by the command."""

import asyncio
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.clock import system_clock
from tests.integration.test_lookup_commands import run
from tests.support.cluster import Cluster
from tests.support.topics import all_engagements
from tests.unit.agents.exports import ALL, pack

pytestmark = pytest.mark.integration


async def test_every_export_is_in_the_log_or_counted(cluster: Cluster, tmp_path: Path) -> None:
    """Moved so that its newest entry happened just now, and accounted for to the last."""
    for name, documents in ALL.items():
        path = pack(tmp_path / f"{name}.zip", documents)
        arguments = ("agent", "replay", str(path), "--format", name, "--shift")
        status, output = await asyncio.to_thread(run, cluster, *arguments)
        assert status == 0, output
        told = re.search(r"replay: read (\d+) = published (\d+) \+ skipped (\d+)", output)
        assert told is not None
        assert int(told[1]) == int(told[2]) + int(told[3]) > 0
    events = await all_engagements(cluster.settings)
    assert {event.network for event in events} == set(ALL)
    assert all(system_clock() - 3_600_000 < max(e.time for e in events if e.network == name) for name in ALL)


async def test_a_wrong_export_ends_with_one_line(cluster: Cluster, tmp_path: Path) -> None:
    """Which file, which document, what was expected; nothing was published."""
    path = pack(tmp_path / "it.zip", {**ALL["twitter"], "data/tweets.js": b"window.YTD.tweets.part0 = [ {"})
    status, output = await asyncio.to_thread(run, cluster, "agent", "replay", str(path), "--format", "twitter")
    assert status == 1
    assert output.strip().startswith(f"clout: {path}, data/tweets.js: expected a list; ")
    assert len(output.strip().splitlines()) == 1


async def test_a_table_in_parquet_is_in_the_log(cluster: Cluster, tmp_path: Path) -> None:
    """With its columns named on the command line."""
    path = tmp_path / "likes.parquet"
    now = system_clock()
    parquet.write_table(
        pa.table({"who": ["a", "b"], "whom": [7, 7], "at": pa.array([now, now - 1], pa.timestamp("ms", "UTC"))}), path
    )
    columns = "actor=who,target=whom,time=at,kind:like,network:shop"
    arguments = ("agent", "replay", str(path), "--format", "parquet", "--columns", columns)
    status, output = await asyncio.to_thread(run, cluster, *arguments)
    assert status == 0, output
    events = await all_engagements(cluster.settings)
    assert {(event.actor, event.target, event.time) for event in events} == {
        ("shop:a", "shop:7", now),
        ("shop:b", "shop:7", now - 1),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--before", "bluesky"), "--before bluesky needs --format jetstream"),
        (("--until", "soon"), "--until soon: give a moment such as"),
    ],
)
async def test_an_option_that_makes_no_sense_says_why(
    cluster: Cluster, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    """Before anything is read."""
    path = pack(tmp_path / "it.zip", ALL["twitter"])
    status, output = await asyncio.to_thread(
        run, cluster, "agent", "replay", str(path), "--format", "twitter", *options
    )
    assert status == 1
    assert message in output
