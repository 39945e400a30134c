"""The users of each topic, by score: kept by two lanes of the sink, whichever comes first."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from pipeline.lookup.connection import connect
from pipeline.lookup.history.outlets import SCORE_POINTS
from pipeline.lookup.sink.chunks import Batch, Tally, chunks
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.writer import Writer
from tests.integration.test_klout_api import NOW, details
from tests.unit.lookup.documents import records, score_bytes

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty database."""
    client = connect(redis_url, 5)
    yield client
    await client.aclose()


async def write(store: Redis, outlet: Outlet, value: bytes | None) -> bytes:
    """Write a record as the sink does and return its fate."""
    writer = Writer(store, "test")
    await writer.rewind(outlet.field(outlet.topic, 0), 0)
    (chunk,) = chunks([Batch(outlet, outlet.topic, 0, 0, records(value, key=b"x:a"))], Tally())
    return await writer.write(chunk)


def score(value: float, version: int) -> bytes:
    """Return a score document."""
    return score_bytes("x:a", value, version, as_of=NOW + version * 60_000)


async def ranked(store: Redis) -> dict[str, float]:
    """Return the user's place among those of each topic."""
    found = {}
    for key in await store.keys("clout:topic:*"):
        found[key.decode().removeprefix("clout:topic:")] = await store.zscore(key, "x:a")
    return found


async def test_a_users_topics_follow_the_tags_and_the_score(store: Redis) -> None:
    """Details first, then the score; later each for itself."""
    await write(store, DETAILS, details("x:a", {}, ["Music", "#BigData", "bigdata"], version=1))
    assert await ranked(store) == {}, "the score is not known yet"
    await write(store, SCORE_POINTS, score(50.25, 1))
    assert await ranked(store) == {"music": 50.25, "big-data": 50.25}
    await write(store, SCORE_POINTS, score(60.5, 2))
    assert await ranked(store) == {"music": 60.5, "big-data": 60.5}
    await write(store, DETAILS, details("x:a", {}, ["music", "HiggsBoson"], version=2))
    assert await ranked(store) == {"music": 60.5, "higgs-boson": 60.5}
    await write(store, DETAILS, details("x:a", {}, [], version=3))
    assert await ranked(store) == {}
    await write(store, SCORE_POINTS, score(70.0, 3))
    assert await ranked(store) == {}


async def test_only_the_most_frequent_topics_count(store: Redis) -> None:
    """A thousand tags must not make a thousand entries."""
    await write(store, SCORE_POINTS, score(50.0, 1))
    await write(store, DETAILS, details("x:a", {}, [f"tag{n}" for n in range(9)], version=1))
    assert sorted(await ranked(store)) == [f"tag{n}" for n in range(5)]


async def test_who_is_gone_is_in_no_topic(store: Redis) -> None:
    """By either tombstone, and older details change nothing."""
    for outlet in (DETAILS, SCORE_POINTS):
        await write(store, SCORE_POINTS, score(50.0, 1))
        await write(store, DETAILS, details("x:a", {}, ["music"], version=5))
        assert await write(store, DETAILS, details("x:a", {}, ["jazz"], version=4)) == b"0"
        assert await ranked(store) == {"music": 50.0}
        await write(store, outlet, None)
        assert await ranked(store) == {}
        await store.flushdb()
