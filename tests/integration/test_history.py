"""Scores over time: from real topics to a real Valkey, and back from the log when it was emptied."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from pipeline.kafka import client_options
from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.history.outlets import HISTORY_POINTS, SCORE_POINTS
from pipeline.lookup.history.series import DAY_MS, HOUR_MS, MINUTE_MS, Point, Series
from pipeline.lookup.klout.ids import klout_id
from pipeline.lookup.sink.chunks import Batch, Tally, chunks
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.writer import Writer
from pipeline.settings import Settings
from schemas import HistoryPoint
from tests.integration.test_sink import publish
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.support.series import thinned
from tests.unit.lookup.documents import records, score_bytes

pytestmark = pytest.mark.integration

NOW = 1_341_446_400_000
"""5 July 2012, 00:00 UTC: what a replayed log says, not the clock."""


def score_at(time: int, score: float, version: int, user: str = "x:a") -> bytes:
    """Return a score document as of an event time."""
    return score_bytes(user, score, version, as_of=time)


def point_at(time: int, score: float, version: int, user: str = "x:a") -> bytes:
    """Return a record of the log of hours and days."""
    return msgspec.json.encode(HistoryPoint(user, "hour", time, score, version))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty database."""
    client = connect(redis_url, 5)
    yield client
    await client.aclose()


async def write(store: Redis, *values: bytes | None, outlet: Outlet = SCORE_POINTS, position: int = 0) -> bytes:
    """Write records as the sink does and return their fates."""
    writer = Writer(store, "history")
    await writer.rewind(outlet.field("clout." + outlet.topic, 0), position)
    batch = Batch(outlet, "clout." + outlet.topic, 0, position, records(*values, first=position, key=b"x:a"))
    return b"".join([await writer.write(chunk) for chunk in chunks([batch], Tally())])


async def series(store: Redis, user: str = "x:a") -> Series:
    """Return what is stored of a user."""
    return Series.decode(await store.get(keys.history(user)))


async def test_scores_become_points(store: Redis) -> None:
    """One for each minute, where the score changed; and the user's Klout id leads to the user."""
    await write(store, score_at(NOW, 50.0, 1), score_at(NOW + 5_000, 51.25, 2), score_at(NOW + MINUTE_MS, 51.25, 3))
    assert (await series(store)).points == [Point(NOW + 5_000, 51.25)]
    assert await write(store, score_at(NOW + 3 * MINUTE_MS, 40.0, 4)) == b"1"
    found = await series(store)
    assert found.points == [Point(NOW + 5_000, 51.25), Point(NOW + 3 * MINUTE_MS, 40.0)]
    assert found.version == 4
    assert await store.get(keys.kloutid(klout_id("x:a"))) == b"x:a"
    assert await store.get(keys.AS_OF) == str(NOW + 3 * MINUTE_MS).encode()


async def told(store: Redis) -> list[bytes]:
    """Return what waits in the outbox."""
    return [entry[b"told"] for _, entry in await store.xrange(keys.HISTORY_OUTBOX)]


async def test_the_last_score_of_an_hour_waits_in_the_outbox(store: Redis) -> None:
    """When a different one of a later hour follows it, and when a history ends; not what comes from the log."""
    await write(store, score_at(NOW, 50.0, 1), score_at(NOW + 2 * MINUTE_MS, 51.0, 2))
    assert await told(store) == []
    await write(store, score_at(NOW + HOUR_MS, 51.0, 3))
    assert await told(store) == [], "the score still holds"
    await write(store, score_at(NOW + 2 * HOUR_MS, 52.0, 4))
    closed = b"3 %d 5100 %d x:a" % (NOW + 2 * MINUTE_MS, NOW + 2 * HOUR_MS)
    assert await told(store) == [closed]
    await write(store, point_at(NOW + 5 * HOUR_MS, 53.0, 5), outlet=HISTORY_POINTS)
    assert await told(store) == [closed]
    await write(store, None)
    await write(store, None, None)
    assert await told(store) == [closed, b"0 0 0 0 x:a"]


async def test_a_user_who_was_silent_for_years_changes_from_the_score_that_held(store: Redis) -> None:
    """It is older than all that is kept, but still what was known a day ago."""
    await write(store, score_at(NOW - 900 * DAY_MS, 70.0, 1), score_at(NOW - 800 * DAY_MS, 80.0, 2))
    await write(store, score_at(NOW, 10.0, 3))
    found = await series(store)
    assert found.points == [Point(NOW - 800 * DAY_MS, 80.0), Point(NOW, 10.0)]
    assert found.changes(NOW, 10.0).day == -70.0


async def test_what_is_read_again_changes_nothing(store: Redis) -> None:
    """Scores and points of the past that are there already."""
    scores = [score_at(NOW + n * MINUTE_MS, 50.0 + n, n) for n in range(5)]
    assert await write(store, *scores) == b"11111"
    before = await store.get(keys.history("x:a"))
    assert await write(store, *scores) == b"00000"
    assert await write(store, point_at(NOW + 2 * MINUTE_MS, 52.0, 2), outlet=HISTORY_POINTS) == b"0"
    assert await store.get(keys.history("x:a")) == before


async def test_of_two_scores_of_an_instant_the_newer_version_stays(store: Redis) -> None:
    """Late events change a score without moving its time."""
    await write(store, score_at(NOW, 50.0, 5))
    assert await write(store, score_at(NOW, 52.0, 6)) == b"1"
    assert await write(store, score_at(NOW, 49.0, 4)) == b"0"
    assert (await series(store)).points == [Point(NOW, 52.0)]


async def test_a_tombstone_ends_a_history(store: Redis) -> None:
    """With the Klout id; by the topic of scores or the log of hours and days."""
    for outlet in (SCORE_POINTS, HISTORY_POINTS):
        await write(store, score_at(NOW, 50.0, 5))
        assert await write(store, None, outlet=outlet) == b"1"
        assert not await store.exists(keys.history("x:a"), keys.kloutid(klout_id("x:a")))


async def test_a_number_of_two_users_means_the_first_in_the_order_of_bytes(store: Redis) -> None:
    """Whoever came first, so that a rebuild gives the same."""
    number = keys.kloutid(klout_id("x:a"))
    for other, winner in (("x:Z", b"x:Z"), ("x:b", b"x:a")):
        await store.flushdb()
        await store.set(number, other)
        await write(store, score_at(NOW, 50.0, 5))
        assert await store.get(number) == winner


POINTS = st.lists(
    st.tuples(st.integers(0, 500 * 24 * 180).map(lambda thirds: thirds * 20_000), st.integers(100, 10_000)),
    min_size=1,
    max_size=60,
    unique_by=lambda point: point[0],
).map(lambda points: [Point(NOW - ago, score / 100) for ago, score in sorted(points, reverse=True)])


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(points=POINTS, shuffled=st.randoms(use_true_random=False))
async def test_a_history_does_not_depend_on_the_order_of_its_records(
    store: Redis, points: list[Point], shuffled: object
) -> None:
    """What Redis keeps is what the rule keeps, in whatever order the points of a rebuild arrive."""
    await store.flushdb()
    log = [point_at(time, score, version) for version, (time, score) in enumerate(points, 1)]
    newest, older = log[-1], log[:-1]
    shuffled.shuffle(older)  # type: ignore[attr-defined]
    await write(store, newest, *older, outlet=HISTORY_POINTS)
    assert (await series(store)).points == thinned(points)


@pytest.fixture
def sink(cluster: Cluster) -> Role:
    """A running sink."""
    return cluster.start("sink").wait_ready()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client of a running lookup service."""
    serve = cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def logged(settings: Settings) -> list[HistoryPoint | str]:
    """Return all of the log of hours and days; a tombstone as the user's id."""

    async def read() -> list[HistoryPoint | str]:
        parts = [TopicPartition(f"{settings.topic_prefix}history", part) for part in range(settings.partitions)]
        found: list[HistoryPoint | str] = []
        async with AIOKafkaConsumer(**client_options(settings)) as consumer:
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [
                        msgspec.json.decode(record.value, type=HistoryPoint) if record.value else record.key.decode()
                        for record in records
                    ]
        return found

    return asyncio.run(read())


def test_a_replayed_record_has_its_graph_by_event_time(
    cluster: Cluster, sink: Role, client: httpx.Client, settings: Settings
) -> None:
    """Hours and days go to the log; changes count from the scores that held; an emptied Redis gets it all back."""
    for n in range(80):
        publish(settings, {"x:a": score_at(NOW + n * HOUR_MS, 10.0 + n, n + 1)})
    path = "/v1/users/x:a/history"
    eventually(lambda: client.get(path).json().get("score") == 89.0, 60, "the last score is there")
    eventually(lambda: len(client.get(path, params={"window": "7d"}).json()["points"]) == 80, 60, "and its history")
    answer = client.get(path).json()
    assert answer["changes"] == {"day": 24.0, "week": None, "month": None}
    assert answer["points"][-1] == {"time": NOW + 79 * HOUR_MS, "score": 89.0}
    assert len(answer["points"]) == 25
    days = client.get(path, params={"window": "90d"}).json()
    assert [point["score"] for point in days["points"]] == [33.0, 57.0, 81.0, 89.0]

    told = {
        *(("hour", NOW + n * HOUR_MS, 10.0 + n) for n in range(79)),
        *(("day", NOW + n * HOUR_MS, 10.0 + n) for n in (23, 47, 71)),
    }
    eventually(
        lambda: {(point.resolution, point.time, point.score) for point in points_in(logged(settings))} == told,
        60,
        "the log has every closed hour and day, and nothing else",
    )

    with redis.Redis.from_url(settings.redis) as store:
        before = store.get(keys.history("x:a"))
        store.flushdb()
        eventually(lambda: store.get(keys.history("x:a")) == before, 60, "the history is there again")
    eventually(lambda: client.get(path).json().get("points") == answer["points"], 60, "it is served again")
    assert sink.stop() == 0
    assert "Traceback" not in sink.output()


def test_who_is_forgotten_stays_forgotten(cluster: Cluster, sink: Role, settings: Settings) -> None:
    """The log of hours and days gets a tombstone too, so that a rebuild brings nothing back."""
    with redis.Redis.from_url(settings.redis) as store:
        publish(settings, {"x:a": score_at(NOW, 50.0, 1), "x:b": score_at(NOW, 50.0, 1, "x:b")})
        publish(settings, {"x:a": score_at(NOW + DAY_MS, 60.0, 2)})
        eventually(lambda: store.strlen(keys.history("x:a")) == 24, 60, "both points are there")
        publish(settings, {"x:a": None})
        eventually(lambda: not store.exists(keys.history("x:a")), 60, "its history has ended")
        eventually(lambda: "x:a" in logged(settings), 60, "the tombstone is in the log")
        store.flushdb()
        eventually(lambda: store.exists(keys.history("x:b")), 60, "Redis is filled again")
        fields = ("rebuilding/live", "rebuilding/background", "rebuilding/history")
        eventually(lambda: not any(store.hmget(keys.SINK, *fields)), 60, "all of it")
        assert not store.exists(keys.history("x:a"))


def test_bad_input_is_a_problem_that_names_the_field(client: httpx.Client) -> None:
    """A window that there is not; nobody's history."""
    answer = client.get("/v1/users/x:a/history", params={"window": "2d"})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, ["window"])
    assert client.get("/v1/users/x:a/history").status_code == 404
    assert client.get("/v1/users/a/history").status_code == 400


def test_killed_sinks_lose_no_hour(cluster: Cluster, settings: Settings) -> None:
    """Whatever they were doing: the points are right, and the log says each closed hour, always the same."""
    users, hours = [f"x:{n}" for n in range(20)], 30
    sink = cluster.start("sink")
    with redis.Redis.from_url(settings.redis) as store:
        for hour in range(hours):
            if hour % 10 == 9:
                sink.kill()
                sink = cluster.start("sink").wait_ready()
            time = NOW + hour * HOUR_MS
            publish(settings, {user: score_at(time, 10.0 + hour, hour + 1, user) for user in users})
        expected = Series([Point(NOW + hour * HOUR_MS, 10.0 + hour) for hour in range(hours)], hours).encode()
        eventually(lambda: all(store.get(keys.history(user)) == expected for user in users), 60, "all points are there")
        eventually(lambda: store.xlen(keys.HISTORY_OUTBOX) == 0, 60, "the log has been told")
    told_of = {(point.user, point.resolution, point.time, point.score) for point in points_in(logged(settings))}
    assert told_of == {
        *((user, "hour", NOW + hour * HOUR_MS, 10.0 + hour) for user in users for hour in range(hours - 1)),
        *((user, "day", NOW + 23 * HOUR_MS, 33.0) for user in users),
    }


def points_in(log: list[HistoryPoint | str]) -> list[HistoryPoint]:
    """Return the points of the log without its tombstones."""
    return [entry for entry in log if isinstance(entry, HistoryPoint)]
