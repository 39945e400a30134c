"""A backfill leaves the live agent a cursor, when it is through and not before."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.cursor import CursorFile
from agents.handover import Handover
from agents.replay import Replay, ReplayConfig
from agents.tally import Tally
from pipeline.errors import ConfigError
from pipeline.settings import Settings
from tests.support.settings import make_settings

TIME_MS = 1_790_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a folder of their own."""
    return make_settings("kafka://127.0.0.1:1", "redis://127.0.0.1:1/0", tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> ReplayConfig:
    """Two follows."""
    path = tmp_path / "recorded.jsonl"
    commit = {"operation": "create", "collection": "app.bsky.graph.follow", "record": {"subject": "did:plc:b"}}
    frames = [
        {"did": "did:plc:a", "time_us": (TIME_MS - n) * 1_000, "kind": "commit", "commit": {**commit, "rkey": str(n)}}
        for n in (5, 0)
    ]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, frames)))
    return ReplayConfig(path, "jetstream")


def cursor(settings: Settings) -> CursorFile:
    """Return the live agent's."""
    return CursorFile(settings.data_dir / "cursors" / "bluesky.json")


async def replayed(config: ReplayConfig) -> Replay:
    """Return a replay that has come to the end."""
    replay = Replay(config)
    async for _ in replay.batches():
        pass
    return replay


async def test_the_stream_begins_at_the_last_event_of_the_file(config: ReplayConfig, settings: Settings) -> None:
    """And the user is told how to go on."""
    told = Handover("bluesky", config, settings).complete(await replayed(config), Tally())
    assert told == "bluesky: goes on from 2026-09-21 14:13:20 UTC: clout agent bluesky"
    assert cursor(settings).load() == {"time_us": TIME_MS * 1_000}


async def test_an_older_file_does_not_move_the_stream_back(config: ReplayConfig, settings: Settings) -> None:
    """Files may come in any order, and the stream may have run before."""
    cursor(settings).save({"time_us": TIME_MS * 1_000 + 7})
    Handover("bluesky", config, settings).complete(await replayed(config), Tally())
    assert cursor(settings).load() == {"time_us": TIME_MS * 1_000 + 7}


async def test_a_replay_that_was_stopped_hands_nothing_over(config: ReplayConfig, settings: Settings) -> None:
    """Nor one that the broker has not acknowledged: the stream would begin behind a gap."""
    handover = Handover("bluesky", config, settings)
    assert "not yet" in handover.complete(Replay(config), Tally())
    unsure = Tally()
    unsure.unacknowledged = 1
    assert "--resume" in handover.complete(await replayed(config), unsure)
    assert cursor(settings).load() is None


@pytest.mark.parametrize("changes", [{"format": "ndjson"}, {"shift": True}, {"limit": 5}])
def test_a_file_that_is_not_the_past_of_the_stream_is_refused(
    config: ReplayConfig, settings: Settings, changes: dict[str, Any]
) -> None:
    """Other ids, moved times, or a part of it."""
    wrong = ReplayConfig(**{"path": config.path, "format": config.format, **changes})
    with pytest.raises(ConfigError, match="--before"):
        Handover("bluesky", wrong, settings)
