"""Bad input: each bad record becomes a dead letter with its untouched bytes, and the events beside it count."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from pipeline.clock import system_clock
from pipeline.kafka import client_options
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from schemas import DeadLetter, Engagement, Post, Profile
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_async
from tests.support.observed import newest, read_scores, wait_for_rest
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration

TARGET: Final = "n:target"
JUST_UNDER_1_MIB: Final = (1 << 20) - 200
"""A record that a broker with default settings still takes."""
LONGEST_FOR_KAFKA: Final = 1_048_588 - 61 - 30
"""The default of message.max.bytes, less a batch's header, a record's own fields and its key."""
YEAR_MS: Final = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to publish, and the reason it must be refused for, or None."""

    topic: str
    value: bytes | None
    reason: str | None = None
    key: bytes | None = TARGET.encode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker put a record."""

    topic: str
    partition: int
    offset: int


def like(number: int, **changes: object) -> dict[str, object]:
    """Return the fields of a like that counts; `changes` may make it a bad one."""
    event = Engagement(f"n:like/{number}", "like", "n", f"n:actor{number}", TARGET, system_clock() - 1000)
    return {**msgspec.to_builtins(event), **changes}


def good(number: int, **changes: object) -> Sent:
    """Return a like that counts."""
    return Sent("likes", msgspec.json.encode(like(number, **changes)))


def bad(reason: str, **changes: object) -> Sent:
    """Return a like that is JSON, but no event."""
    return Sent("likes", msgspec.json.encode(like(0, **changes)), reason)


def raw(reason: str, value: bytes | None, topic: str = "likes", key: bytes | None = TARGET.encode()) -> Sent:
    """Return bytes that are no event."""
    return Sent(topic, value, reason, key)


def bad_records() -> list[Sent]:
    """Return one record for each way in which a record can be bad."""
    whole = msgspec.json.encode(like(0))
    return [
        raw("invalid_json", whole[: len(whole) // 2]),
        raw("invalid_json", b""),
        raw("invalid_json", b"\xff\xfe\x00"),
        raw("invalid_json", whole.replace(b'"n:actor0"', b'"n:\xff"')),
        raw("invalid_json", whole.replace(b'"n:actor0"', rb'"n:\ud800"')),
        raw("invalid_json", whole[:-1] + b',"score":NaN}'),
        raw("invalid_json", whole[:-1] + b',"deep":' + b"[" * 60_000),
        raw("invalid_record", b"[]"),
        raw("invalid_record", b"null"),
        raw("invalid_record", b"{}"),
        bad("invalid_record", time="yesterday"),
        bad("invalid_record", time=-1),
        bad("invalid_record", time=1.5),
        bad("invalid_record", actor=7),
        bad("invalid_record", actor=""),
        bad("invalid_record", undo="no"),
        bad("invalid_record", kind="poke"),
        bad("invalid_record", id=""),
        bad("invalid_record", id="x" * 513),
        bad("invalid_record", tags=["t"] * 65),
        bad("invalid_record", actor_score=101),
        bad("kind_mismatch", kind="share"),
        bad("key_mismatch", target="n:other"),
        raw("key_mismatch", whole, key=None),
        raw("key_mismatch", whole, key=b"\xff"),
        bad("future_time", time=system_clock() + YEAR_MS),
        raw("future_time", whole.replace(str(like(0)["time"])[:4].encode(), b"9" * 18)),
        raw("too_large", whole[:-1] + b',"pad":"' + b"x" * (JUST_UNDER_1_MIB - len(whole) - 9) + b'"}'),
        raw("null_value", None),
        raw("invalid_user", whole.replace(TARGET.encode(), b"nobody"), key=b"nobody"),
        raw("invalid_json", b'{"id":', "shares"),
        raw("kind_mismatch", whole, "comments"),
        raw("null_value", None, "follows"),
        raw("invalid_record", whole.replace(b'"target"', b'"towards"'), "follows"),
        raw("invalid_json", b"{", "posts"),
        raw("invalid_record", b'{"id":"n:p","network":"n","author":"n:target","time":null}', "posts"),
        raw("null_value", None, "profiles"),
        raw("key_mismatch", msgspec.json.encode(Profile("n:else", "n", 1)), "profiles"),
        raw("null_value", None, "ticks"),
        raw("future_time", b'{"source":"n","time":9999999999999}', "ticks", key=None),
    ]


def good_records(first: int, count: int) -> list[Sent]:
    """Return likes that count, some of them odd."""
    odd: list[dict[str, object]] = [
        {},
        {"unknown": {"field": [1, 2]}},
        {"actor": "n:with\nnewline"},
        {"actor": "n:\x1f\x00", "object": "a\tb\n", "tags": ["x,y", "\u2028"]},
        {"tags": []},
        {"actor_nth": 1 << 63, "actor_since": 0, "mutual": False},
    ]
    return [good(first + i, **odd[i % len(odd)]) for i in range(count)]


async def publish(settings: Settings, records: Sequence[Sent]) -> list[Place]:
    """Write records as they are, all of a topic with one key into one batch where they fit."""
    await ensure_topics(settings)
    partition = (murmur2(TARGET.encode()) & 0x7FFFFFFF) % settings.partitions
    producer = AIOKafkaProducer(
        **client_options(settings),
        max_request_size=2 << 20,
        acks="all",
        linger_ms=20,
        enable_idempotence=settings.idempotence,
    )
    async with producer:
        futures = [
            await producer.send(settings.topic_prefix + record.topic, record.value, key=record.key, partition=partition)
            for record in records
        ]
        done = await asyncio.gather(*futures)
    return [Place(metadata.topic, metadata.partition, metadata.offset) for metadata in done]


def among_good(records: Sequence[Sent]) -> list[Sent]:
    """Return the records with a good like before and after each."""
    out = good_records(1, 1)
    for number, record in enumerate(records):
        out += [record, *good_records(number + 2, 1)]
    return out


async def check_bad_input(cluster: Cluster) -> None:
    """Publish good and bad records to a running worker, and look at what became of each."""
    settings = cluster.settings
    worker = cluster.start("worker").wait_ready()
    sent = among_good(bad_records())
    places = await publish(settings, sent)
    (reading,) = wait_for_rest([worker], len(sent))
    wrong = {place: record for place, record in zip(places, sent, strict=True) if record.reason}
    letters = await read_topic(settings, "dead-letters")
    found = {}
    for letter in letters:
        headers = DeadLetter.from_headers(list(letter.headers))
        place = Place(headers.topic, headers.partition, headers.offset)
        assert place not in found, "each bad record becomes one dead letter"
        assert letter.key == place.topic.encode()
        found[place] = (headers.reason.partition(":")[0], letter.value)
    assert found == {place: (record.reason, record.value) for place, record in wrong.items()}
    fates = reading.fates()
    counted = len(sent) - len(wrong)
    assert fates == {"applied": counted, "duplicate": 0, "late": 0, "forgotten": 0, "dead_lettered": len(wrong)}
    assert reading.total("clout_dead_letters_total") == len(wrong)
    held = newest(await read_scores(settings))
    assert set(held) == {TARGET}
    assert held[TARGET].engagement.hour.likes == counted
    assert held[TARGET].as_of <= system_clock()
    assert worker.stop() == 0


async def test_each_bad_record_becomes_a_dead_letter_and_those_beside_it_count(cluster: Cluster) -> None:
    """Reason, topic, partition and offset in the headers, the bytes untouched, and the fates add up."""
    await check_bad_input(cluster)


@pytest.mark.kafka
async def test_on_apache_kafka_each_bad_record_becomes_a_dead_letter(kafka_cluster: Cluster) -> None:
    """The same with a real log and idempotent producers."""
    await check_bad_input(kafka_cluster)


@pytest.mark.kafka
async def test_the_longest_record_that_kafka_takes_becomes_a_dead_letter(kafka_cluster: Cluster) -> None:
    """Although a dead letter is longer than its record, by its headers."""
    worker = kafka_cluster.start("worker").wait_ready()
    longest = raw("too_large", b"x" * LONGEST_FOR_KAFKA)
    await publish(kafka_cluster.settings, [good(1), longest, good(2)])
    (reading,) = wait_for_rest([worker], 3)
    assert reading.fates() == {"applied": 2, "duplicate": 0, "late": 0, "forgotten": 0, "dead_lettered": 1}
    (letter,) = await read_topic(kafka_cluster.settings, "dead-letters")
    assert letter.value == longest.value


async def test_posts_and_profiles_beside_bad_ones_count(cluster: Cluster) -> None:
    """The profile's handle stands in the document."""
    now = system_clock()
    records = [
        raw("invalid_json", b"{", "profiles"),
        Sent("profiles", msgspec.json.encode(Profile(TARGET, "n", now, handle="tina"))),
        raw("invalid_json", b"}", "posts"),
        Sent("posts", msgspec.json.encode(Post("n:p", "n", TARGET, now))),
        good(1),
    ]
    worker = cluster.start("worker").wait_ready()
    await publish(cluster.settings, records)
    (reading,) = wait_for_rest([worker], len(records))
    assert reading.fates()["applied"] == 3

    async def handle() -> bool:
        held = newest(await read_scores(cluster.settings))
        return TARGET in held and held[TARGET].handle == "tina"

    await eventually_async(handle, 60, "the document has the handle")


async def test_a_worker_that_is_given_nearly_nothing_but_garbage_ends_with_a_message(cluster: Cluster) -> None:
    """The input is wrong then, not the records; it says where to look, and what it committed is in the dead letters."""
    worker = cluster.start("worker").wait_ready()
    places = await publish(cluster.settings, [raw("invalid_json", b"garbage")] * 100_001)
    status = await eventually_async(lambda: _status(worker), 60, "the worker ends")
    assert status != [0]
    assert "look into" in worker.output()
    assert "dead-letters" in worker.output()
    written = await read_topic(cluster.settings, "dead-letters")
    assert {letter.value for letter in written} <= {b"garbage"}
    headers = [DeadLetter.from_headers(list(letter.headers)) for letter in written]
    found = {Place(each.topic, each.partition, each.offset) for each in headers}
    assert found <= set(places)
    async with LogReader(cluster.settings, group=cluster.settings.topic_prefix + "worker") as reader:
        tp = TopicPartition(places[0].topic, places[0].partition)
        committed = (await reader.committed([tp]))[tp] or 0
    # What was not committed is read again by the next worker.
    assert {place for place in places if place.offset < committed} <= found


async def _status(worker: object) -> list[int | None]:
    """Return the exit status in a list, empty while it runs."""
    status = worker.child.status()  # type: ignore[attr-defined]
    return [] if status is None else [status]
