"""The sink's consumer on a real broker: it goes back to the beginning of a log that begins anew, and of no other."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.source import Source
from pipeline.settings import Settings
from tests.integration.test_sink import publish
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration

PATIENCE = 300
"""Fetches of 200 ms before a test gives up."""


@pytest.fixture
async def source(settings: Settings) -> AsyncIterator[Source]:
    """A source that is connected."""
    source = Source(settings, [SCORES], 50)
    try:
        await source.start()
        yield source
    finally:
        await source.stop()


async def rewound(source: Source) -> dict[str, int]:
    """Fetch until something is told to begin anew."""
    told: dict[str, int] = {}
    for _ in range(PATIENCE):
        await source.fetch(200)
        told |= source.rewound()
        if len(told) == len(source.fields()):
            return told
    pytest.fail(f"only {told} after {PATIENCE} fetches")


async def ends_known(source: Source) -> None:
    """Fetch until the broker has told where all logs end."""
    for _ in range(PATIENCE):
        await source.fetch(200)
        if source.ends() is not None:
            return
    pytest.fail(f"no ends after {PATIENCE} fetches")


async def test_logs_that_end_before_their_positions_are_told_once(source: Source) -> None:
    """Empty ones too, of which no record can tell."""
    source.seek(dict.fromkeys(source.fields(), 5))
    assert await rewound(source) == dict.fromkeys(source.fields(), 0)
    await ends_known(source)
    assert source.rewound() == {}
    assert set(source.rewinds.values()) == {1}


async def test_a_log_that_is_read_on_does_not_begin_anew(settings: Settings, source: Source) -> None:
    """Neither at its end nor before it, nor by what the broker said before the source went elsewhere."""
    users = {sum(f"x:{n}".encode()) % settings.partitions: f"x:{n}" for n in range(10)}
    source.seek(dict.fromkeys(source.fields(), 0))
    await ends_known(source)
    await asyncio.to_thread(publish, settings, {user: score_bytes(user) for user in users.values()})
    source.seek(dict.fromkeys(source.fields(), 1))
    assert source.ends() is None
    assert source.rewound() == {}
    await ends_known(source)
    assert source.rewound() == {}
    assert not source.rewinds
