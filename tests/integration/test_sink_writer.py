"""What the sink writes to a real Valkey: newest wins, whoever writes, in whatever order."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.sink.chunks import Batch, Chunk, Tally, chunks
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.spikes import SPIKES
from pipeline.lookup.sink.writer import LostError, Writer
from schemas import NetworkScore, Spike, native_of, network_of
from tests.unit.lookup.documents import Record, details_bytes, records, score_bytes

pytestmark = pytest.mark.integration

PLACES = ["scores/0", "details/0"]
KEPT = {b"clout:sink", b"clout:changes", b"clout:networks"}
"""Keys that are nobody's own."""


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty database."""
    client = connect(redis_url, 5)
    yield client
    await client.aclose()


@pytest.fixture
async def writer(redis: Redis) -> Writer:
    """A writer that has begun, and whose first fill is over."""
    writer = Writer(redis, "live", [keys.CHANGES])
    await writer.positions(PLACES)
    await writer.finish_rebuild()
    return writer


def plan(values: Sequence[Record], position: int, outlet: Outlet = SCORES) -> list[Chunk]:
    """Return the chunks of one fetch."""
    return list(chunks([Batch(outlet, outlet.topic, 0, position, values)], Tally()))


async def write(writer: Writer, *values: bytes | None, position: int = 0, outlet: Outlet = SCORES) -> bytes:
    """Write consecutive records and return their fates."""
    return b"".join([await writer.write(chunk) for chunk in plan(records(*values, first=position), position, outlet)])


async def changes(redis: Redis) -> list[dict[str, Any]]:
    """Return the stream of changes, decoded."""
    found: Any = await redis.xrange(keys.CHANGES)
    return [
        {name.decode(): json.loads(value) if name == b"change" else value.decode() for name, value in fields.items()}
        for _, fields in found
    ]


async def test_a_document_is_stored_byte_for_byte_and_ranked(redis: Redis, writer: Writer) -> None:
    """The leaderboards, the handle and the stream follow the document."""
    value = score_bytes("bluesky:did:a", 43.21, 7, handle="Ann.Example", previous=40.0)
    assert await write(writer, value) == b"1"
    assert await redis.get(keys.user("bluesky:did:a")) == value
    assert await redis.zscore(keys.RANK, "bluesky:did:a") == 43.21
    assert await redis.zscore(keys.rank("bluesky"), "bluesky:did:a") == 43.21
    assert await redis.get(keys.handle("bluesky", "ann.example")) == b"bluesky:did:a"
    (_, told) = await changes(redis)
    assert told["change"]["score"] == 43.21
    assert told["change"]["previous"] == 40.0
    assert told["change"]["networks"] == ["bluesky"]


async def test_the_person_of_an_account_is_known_as_long_as_its_document_names_one(
    redis: Redis, writer: Writer
) -> None:
    """Linked, linked to another, unlinked, linked and deleted; handles and networks stay what they are."""
    persons: list[str | None] = ["m:p\x1f", "m:p q:r", None, "m:p"]
    for version, person in enumerate(persons, 1):
        value = score_bytes("x:user", version=version, handle="Ann", person=person)
        assert await write(writer, value, position=version - 1) == b"1"
        held = await redis.get(keys.identity("x:user"))
        assert held == (None if person is None else person.encode())
        assert await redis.get(keys.handle("x", "ann")) == b"x:user"
        assert await redis.zscore(keys.rank("x"), "x:user") == 50
    assert await write(writer, None, position=len(persons)) == b"1"
    assert await redis.keys("clout:identity:*") == []


@pytest.mark.parametrize("version", [6, 7])
async def test_a_document_that_is_not_newer_changes_nothing(redis: Redis, writer: Writer, version: int) -> None:
    """Replays are harmless, and subscribers never see a score go back."""
    newest = score_bytes("x:a", 50, 7)
    await write(writer, newest)
    assert await write(writer, score_bytes("x:a", 40, version), position=1) == b"0"
    assert await redis.get(keys.user("x:a")) == newest
    assert await redis.zscore(keys.RANK, "x:a") == 50
    assert len(await changes(redis)) == 2


async def test_a_name_that_looks_like_a_version_does_not_mislead(redis: Redis, writer: Writer) -> None:
    """Names are what people choose."""
    await write(writer, score_bytes("x:a", 50, 7, name='","version":99,"', avatar='\\"version":98'))
    newer = score_bytes("x:a", 51, 8)
    assert await write(writer, newer, position=1) == b"1"
    assert await redis.get(keys.user("x:a")) == newer


async def test_a_user_leaves_the_leaderboard_of_a_network_without_engagement(redis: Redis, writer: Writer) -> None:
    """After 90 days of silence on a network its entry is gone from the document."""
    both = {"x": NetworkScore(40, 0.5, None), "github": NetworkScore(30, 0.5, None)}
    await write(writer, score_bytes("x:a", 50, 1, networks=both))
    assert await redis.zscore(keys.rank("github"), "x:a") == 30
    await write(writer, score_bytes("x:a", 45, 2), position=1)
    assert await redis.zscore(keys.rank("github"), "x:a") is None
    assert await redis.zscore(keys.rank("x"), "x:a") == 45


async def test_a_renamed_user_is_found_by_the_new_handle_alone(redis: Redis, writer: Writer) -> None:
    """The old handle is free, unless somebody else has taken it by then."""
    await write(writer, score_bytes("x:a", 50, 1, handle="Ann"), score_bytes("x:b", 50, 1, handle="Bob"))
    assert await redis.get(keys.handle("x", "ann")) == b"x:a"
    await write(writer, score_bytes("x:b", 50, 2, handle="Ann"), position=2)
    assert await redis.get(keys.handle("x", "bob")) is None
    await write(writer, score_bytes("x:a", 50, 2, handle="Anna"), position=3)
    assert await redis.get(keys.handle("x", "ann")) == b"x:b"
    assert await redis.get(keys.handle("x", "anna")) == b"x:a"


@pytest.mark.parametrize("user", ["x:É", "x:a,b", "plain", "x:https://[::1]/a", 'x:"q"\\'])
async def test_ids_of_any_kind_are_found_and_leave_nothing(redis: Redis, writer: Writer, user: str) -> None:
    """Whatever stands in an id, its keys are those that readers ask for, and a tombstone deletes them all."""
    await write(writer, score_bytes(user))
    assert await redis.get(keys.handle(network_of(user), native_of(user))) == user.encode()
    await write(writer, details_bytes("x:u", {user: 5}, 1), outlet=DETAILS)
    assert await redis.zscore(keys.influencers(user), "x:u") == 5
    await write(writer, details_bytes("x:u", {}, 2), position=1, outlet=DETAILS)
    for outlet, record in (SCORES, Record(1, user.encode(), None)), (DETAILS, Record(2, b"x:u", None)):
        assert await writer.write(plan([record], record.offset, outlet)[0]) == b"1"
    assert [key async for key in redis.scan_iter("clout:*") if key not in KEPT] == []


async def test_a_tombstone_deletes_all_of_a_user(redis: Redis, writer: Writer) -> None:
    """Nothing of the score is left but the note to subscribers."""
    await write(writer, score_bytes("x:user", 50, 1))
    assert await write(writer, None, position=1) == b"1"
    assert [key async for key in redis.scan_iter("clout:*") if key not in KEPT] == []
    assert (await changes(redis))[-1] == {"gone": "x:user"}


async def test_of_one_version_the_later_details_count(redis: Redis, writer: Writer) -> None:
    """They change without an event when somebody whom they name is forgotten; what is read again changes nothing."""
    before = details_bytes("x:u", {"x:gone": 1, "x:a": 1}, 7)
    after = details_bytes("x:u", {"x:a": 1}, 7, time=1_783_175_899_000)
    assert await write(writer, before, outlet=DETAILS) == b"1"
    assert await write(writer, after, position=1, outlet=DETAILS) == b"1"
    assert await write(writer, before, after, position=2, outlet=DETAILS) == b"0"
    assert await redis.get(keys.details("x:u")) == after
    assert not await redis.exists(keys.influencers("x:gone"))


async def test_details_are_inverted(redis: Redis, writer: Writer) -> None:
    """Whoever a user's details name has the user among those engaged with, until they name them no longer."""
    await write(writer, details_bytes("x:u", {"x:a": 5, "x:b": 2}, 1), outlet=DETAILS)
    assert await redis.zscore(keys.influencers("x:a"), "x:u") == 5
    newest = details_bytes("x:u", {"x:b": 3}, 2)
    assert await write(writer, newest, details_bytes("x:u", {"x:a": 9}, 1), position=1, outlet=DETAILS) == b"1"
    assert await redis.get(keys.details("x:u")) == newest
    assert await redis.zscore(keys.influencers("x:a"), "x:u") is None
    assert await redis.zscore(keys.influencers("x:b"), "x:u") == 3
    await writer.write(plan([Record(3, b"x:u", None)], 3, DETAILS)[0])
    assert not await redis.exists(keys.details("x:u"), keys.influencers("x:b"))


async def test_an_emptied_redis_is_noticed_before_anything_is_written(redis: Redis, writer: Writer) -> None:
    """A writer that went on would leave a gap that nobody sees."""
    await write(writer, score_bytes("x:a"))
    await redis.flushdb()
    with pytest.raises(LostError):
        await write(writer, score_bytes("x:b"), position=1)
    assert await redis.dbsize() == 0


async def test_an_older_state_of_redis_is_noticed(redis: Redis, writer: Writer) -> None:
    """A Redis that comes back from an old dump has not what was written since."""
    await write(writer, score_bytes("x:a"), score_bytes("x:b"))
    await writer.rewind("scores/0", 1)
    with pytest.raises(LostError):
        await write(writer, score_bytes("x:c"), position=2)
    assert (await writer.positions(PLACES))["scores/0"] == 1


async def test_a_rebuild_tells_subscribers_one_reset(redis: Redis) -> None:
    """However many documents it writes, and however often it is begun again."""
    first, second = Writer(redis, "live", [keys.CHANGES]), Writer(redis, "live", [keys.CHANGES])
    await first.positions(PLACES[:1])
    await write(first, score_bytes("x:a"), score_bytes("x:b"))
    assert (await second.positions(PLACES[:1]))["scores/0"] == 2
    assert second.rebuilding
    await write(second, score_bytes("x:c"), position=2)
    assert await second.finish_rebuild() is True
    assert await first.finish_rebuild() is False
    assert await changes(redis) == [{"reset": "rebuilt"}]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_two_sinks_in_any_order_leave_the_newest_of_each_user(redis: Redis, data: st.DataObject) -> None:
    """Both read the same log, at their own pace, cut as they like, and each may fall back and repeat."""
    await redis.flushdb()
    log = data.draw(
        st.lists(st.tuples(st.sampled_from(["x:a", "x:b", "x:c"]), st.integers(1, 30)), min_size=1, max_size=20)
    )
    values = [score_bytes(user, float(version), version) for user, version in log]
    sinks = [Writer(redis, "live", [keys.CHANGES]), Writer(redis, "live", [keys.CHANGES])]
    for sink in sinks:
        await sink.positions(PLACES[:1])
        await sink.finish_rebuild()
    positions = [0, 0]
    while max(positions) < len(values):
        number = data.draw(st.sampled_from([0, 1]))
        first = min(positions[number], data.draw(st.integers(0, len(values) - 1)))
        last = data.draw(st.integers(first + 1, len(values)))
        await write(sinks[number], *values[first:last], position=first)
        positions[number] = max(positions[number], last) if first <= positions[number] else positions[number]
    newest: dict[str, int] = {}
    for user, version in log:
        newest[user] = max(newest.get(user, 0), version)
    for user, version in newest.items():
        assert await redis.get(keys.user(user)) == score_bytes(user, float(version), version)
        assert await redis.zscore(keys.RANK, user) == version
    told: dict[str, int] = {}
    for entry in await changes(redis):
        if change := entry.get("change"):
            assert change["version"] > told.get(change["user"], 0)
            told[change["user"]] = change["version"]
    assert told == newest


def spike_bytes(status: str, level: int, began: int = 1000, user: str = "x:a") -> bytes:
    """Return the value of a record of `clout.spikes`."""
    spike = Spike(
        f"{user}/{began}",
        user,
        "x",
        status,
        "rise",
        began,
        level,
        9.0,
        1.0,
        {},
        [],
        [],
        "organic",
        [],
        1,
        began + level,
    )
    return msgspec.json.encode(spike)


async def test_a_spike_is_told_once_at_each_level(redis: Redis, writer: Writer) -> None:
    """What a crash repeats is known already, in the same fetch and in a later one; the next spike is told."""
    await writer.positions(["spikes/0"])
    await writer.finish_rebuild()
    course = [spike_bytes("open", 1), spike_bytes("grown", 2), spike_bytes("closed", 2)]
    assert await write(writer, course[0], course[0], course[1], outlet=SPIKES) == b"11"
    assert await write(writer, *course, spike_bytes("open", 1, 2000), position=3, outlet=SPIKES) == b"0011"
    entries: Any = await redis.xrange(keys.SPIKES)
    told = [json.loads(fields[b"spike"]) for _, fields in entries if b"spike" in fields]
    assert [(spike["began"], spike["status"], spike["level"]) for spike in told] == [
        (1000, "open", 1),
        (1000, "grown", 2),
        (1000, "closed", 2),
        (2000, "open", 1),
    ]


async def test_a_rebuild_repeats_no_spike(redis: Redis, writer: Writer) -> None:
    """An emptied Redis learns what was told, and tells nobody again."""
    await redis.flushdb()
    await writer.positions(["spikes/0"])
    await write(writer, spike_bytes("open", 1), outlet=SPIKES)
    await writer.finish_rebuild()
    assert await write(writer, spike_bytes("open", 1), spike_bytes("closed", 1), position=1, outlet=SPIKES) == b"01"
    entries: Any = await redis.xrange(keys.SPIKES)
    assert [json.loads(fields[b"spike"])["status"] for _, fields in entries if b"spike" in fields] == ["closed"]
