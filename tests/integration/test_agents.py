"""Agents against a real broker and a real Valkey: what they read is in the topics, once, in order, stamped."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import redis
from aiokafka.partitioner import murmur2

from agents.actors import RedisActors
from agents.cursor import CursorFile
from agents.lane import Receipt
from agents.protocol import Batch
from agents.publisher import Publisher
from agents.replay import Replay, ReplayConfig, cursor_of
from agents.routes import Routes
from agents.runner import Runner
from agents.stamps import Stamper
from agents.synthetic import Synthetic, SyntheticConfig
from agents.tally import Tally
from pipeline.clock import system_clock
from pipeline.errors import TopicMismatchError
from pipeline.settings import Settings
from pipeline.topics import DAY_MS
from schemas import Engagement, Post, Tick
from tests.support.cluster import Broker, Cluster, Logged, Valkey
from tests.support.eventually import eventually
from tests.support.settings import make_settings
from tests.support.topics import engagements, read_topic
from tests.unit.agents.samples import HIGGS, JETSTREAM, like, needs_data

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps wait for Redis for as long as a slow machine needs."""
    monkeypatch.setattr("agents.actors._TIMEOUT_S", 30.0)


def runner(agent: Replay | Synthetic, settings: Settings, cursor: CursorFile | None = None) -> Runner:
    """Return a runner as the commands make it."""
    return Runner(agent, settings, Publisher(settings), Stamper(RedisActors(settings)), cursor=cursor)


async def replay(settings: Settings, path: Path, name: str, **changes: object) -> Tally:
    """Replay a file to its end."""
    return await runner(Replay(ReplayConfig(path, name, **changes)), settings).run()  # type: ignore[arg-type]


@needs_data
async def test_every_row_of_a_replay_is_in_the_log_or_counted(settings: Settings) -> None:
    """The numbers of the last line are those of the topics."""
    tally = await replay(settings, HIGGS, "higgs", limit=60_000)
    assert tally.read == 60_000 == tally.published + tally.skipped.total()
    assert tally.unacknowledged == 0
    shares, comments = await engagements(settings, "shares"), await engagements(settings, "comments")
    assert (len(shares), len(comments)) == (tally.records["shares"], tally.records["comments"])
    assert len({event.id for event in shares + comments}) == tally.published
    last = max(event.time for event in shares + comments)
    ticks = [msgspec.json.decode(record.value, type=Tick) for record in await read_topic(settings, "ticks")]
    assert ticks[-1] == Tick("replay", last)
    assert len(ticks) == tally.records["ticks"]


@needs_data
async def test_the_recorded_frames_of_bluesky_arrive(settings: Settings) -> None:
    """Deletions of what was not recorded are counted."""
    tally = await replay(settings, JETSTREAM, "jetstream")
    expected = {"likes": 104, "shares": 15, "comments": 6, "follows": 6, "posts": 17}
    assert {topic: tally.records[topic] for topic in expected} == expected
    assert tally.skipped["undo_unknown"] + tally.skipped["undo_expired"] == 4
    posts = [msgspec.json.decode(record.value, type=Post) for record in await read_topic(settings, "posts")]
    assert len(posts) == 17


async def test_records_lie_where_kafka_would_put_them(settings: Settings) -> None:
    """Key, partition and timestamp are those of any Kafka producer, the order is the source's."""
    publisher = Publisher(settings)
    await publisher.start()
    before = system_clock()
    sent = [like(n, target=f"n:{n % 37}") for n in range(3_000)]
    for start in range(0, len(sent), 100):
        await publisher.publish(Routes(settings).route(sent[start : start + 100]))
    await publisher.flush()
    await publisher.stop()
    records = await read_topic(settings, "likes")
    assert publisher.counts == {"likes": len(sent)}
    assert len(records) == len(sent)
    for record in records:
        assert record.key is not None
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % settings.partitions
        assert before <= record.timestamp <= system_clock()
    for target in range(37):
        key = f"n:{target}".encode()
        got = [msgspec.json.decode(record.value, type=Engagement) for record in records if record.key == key]
        assert got == [event for event in sent if event.target == f"n:{target}"]


async def test_stamps_come_from_redis(settings: Settings, tmp_path: Path) -> None:
    """Score, mutuality and the day's actions; a second agent goes on counting."""
    with redis.Redis.from_url(settings.redis) as client:
        client.zadd("clout:rank", {"n:a": 43.25})
        client.zadd("clout:influencers:n:t", {"n:a": 1})
        path = tmp_path / "events.ndjson"
        path.write_bytes(b"\n".join(msgspec.json.encode(like(n)) for n in range(3)))
        await replay(settings, path, "ndjson")
        path.write_bytes(msgspec.json.encode(like(3)))
        await replay(settings, path, "ndjson")
        day = like().time // DAY_MS
        assert client.hget(f"clout:actions:{day}", "n:a") == b"4"
        assert client.get("clout:actor:n:a") == str(like(0).time).encode()
        assert 0 < client.ttl("clout:actor:n:a") <= 92 * 86_400
        assert 0 < client.ttl(f"clout:actions:{day}") <= 2 * 86_400
    events = await engagements(settings, "likes")
    assert [event.actor_nth for event in events] == [0, 1, 2, 3]
    assert {(event.actor_score, event.actor_since, event.mutual) for event in events} == {(43.25, like(0).time, True)}


async def test_undos_repeat_what_they_withdraw(settings: Settings) -> None:
    """Each undo in the log has the stamps of its original."""
    config = SyntheticConfig(users=500, events=30_000, rate=None, seed=3, start_ms=system_clock())
    tally = await runner(Synthetic(config), settings).run()
    assert tally.published == 30_000
    events = await engagements(settings, "likes")
    originals = {event.id: event for event in events if not event.undo}
    undos = [event for event in events if event.undo]
    assert len(undos) > 20
    repeats = Counter(event.id for event in events if not event.undo)
    for undo in undos:
        if repeats[undo.id] == 1:
            assert msgspec.structs.replace(undo, undo=False) == originals[undo.id]


async def test_a_broker_without_idempotent_producers_is_used_without(settings: Settings) -> None:
    """`clout agent` in a terminal of its own works against the embedded broker with no setting."""
    tally = await replay_one(settings.model_copy(update={"idempotence": True}), settings.data_dir)
    assert tally.records["likes"] == 1


async def replay_one(settings: Settings, directory: Path) -> Tally:
    """Replay a file with one like."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "one.ndjson"
    path.write_bytes(msgspec.json.encode(like()))
    return await replay(settings, path, "ndjson")


async def test_without_redis_nothing_is_lost(settings: Settings) -> None:
    """Events go out without the stamps that need it."""
    away = settings.model_copy(update={"redis": "redis://127.0.0.1:1/0"})
    tally = await replay_one(away, settings.data_dir)
    assert tally.published == 1
    (event,) = await engagements(settings, "likes")
    assert event == like()


async def test_a_frozen_broker_is_waited_for_and_nothing_is_lost(
    own_broker: Broker, redis_url: str, tmp_path: Path
) -> None:
    """The publisher holds its caller back, and goes on when the broker does."""
    settings = make_settings(own_broker.url, redis_url, tmp_path)
    publisher = Publisher(settings, unacknowledged=1_000)
    await publisher.start()
    routes = Routes(settings)

    async def publish(first: int) -> Receipt:
        return await publisher.publish(routes.route([like(n, target=f"n:{n % 7}") for n in range(first, first + 500)]))

    await publish(0)
    await publisher.flush()
    own_broker.freeze()
    held = asyncio.create_task(publish_all(publish))
    done, _ = await asyncio.wait({held}, timeout=0.5)
    assert not done, "it accepts no more than its limit"
    assert publisher.unacknowledged <= 1_500
    own_broker.thaw()
    receipts = await held
    await publisher.flush()
    assert all(receipt.acknowledged for receipt in receipts)
    await publisher.stop()
    events = await engagements(settings, "likes")
    assert {event.id for event in events} == {f"n:like/{n}" for n in range(5_500)}


async def publish_all(publish: object) -> list[Receipt]:
    """Publish ten batches."""
    return [await publish(first) for first in range(500, 5_500, 500)]  # type: ignore[operator]


async def test_a_stopped_publisher_gives_up_what_a_frozen_broker_has_not_acknowledged(
    own_broker: Broker, redis_url: str, tmp_path: Path
) -> None:
    """It ends within seconds, and the receipt says what is missing."""
    settings = make_settings(own_broker.url, redis_url, tmp_path)
    publisher = Publisher(settings)
    await publisher.start()
    own_broker.freeze()
    receipt = await publisher.publish(Routes(settings).route([like(n) for n in range(10)]))
    await asyncio.wait_for(publisher.stop(), 60)
    assert receipt.remaining == publisher.unacknowledged == 10
    own_broker.thaw()


async def test_topics_with_another_partition_count_end_an_agent(settings: Settings) -> None:
    """Events would go to the wrong partitions: the message says which count is set."""
    await replay_one(settings, settings.data_dir)
    with pytest.raises(TopicMismatchError, match="has 4 partitions, but CLOUT_PARTITIONS is 5"):
        await replay_one(settings.model_copy(update={"partitions": 5}), settings.data_dir)


def finished(process: Logged, deadline_s: float = 60) -> int:
    """Return the exit status of a command that ends by itself."""
    eventually(lambda: not process.is_running(), deadline_s, f"{process.name} ends; its log is {process.log}")
    status = process.child.status()
    assert status is not None
    return status


@needs_data
def test_a_file_of_another_format_ends_with_a_message(cluster: Cluster) -> None:
    """It names the file, the line and what was expected; there is no traceback."""
    process = cluster.run("agent", "replay", str(JETSTREAM), "--format", "higgs")
    assert finished(process) == 1
    assert re.search(r"clout: .*jetstream_v1.jsonl, line 1: expected four columns", process.output())
    assert "Traceback" not in process.output()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("replay", "nowhere", "--format", "higgs"), "cannot read nowhere: No such file or directory"),
        (("replay", "nowhere", "--format", "higgs", "--speed", "9"), "--speed 9: give max, or a factor"),
        (("synthetic", "--rate", "some"), "--rate some: give events per second, or max"),
        (("synthetic", "--spread", "3"), "--spread needs"),
        (("synthetic", "--events", "0"), "--events 0: 1 at least"),
    ],
)
def test_a_wrong_option_ends_with_a_message(cluster: Cluster, arguments: tuple[str, ...], message: str) -> None:
    """One line says what to give."""
    process = cluster.run("agent", *arguments)
    assert finished(process) == 1
    assert f"clout: {message}" in process.output()
    assert "Traceback" not in process.output()


def test_a_command_stops_on_sigterm_with_everything_acknowledged(cluster: Cluster) -> None:
    """Exit status 0, and the last line adds up."""
    process = cluster.run("agent", "synthetic", "--rate", "2000", "--users", "100")
    with redis.Redis.from_url(cluster.settings.redis) as client:
        eventually(lambda: client.keys("clout:actions:*"), 60, "events are stamped")
    assert process.stop() == 0
    match = re.search(r"read (\d+) = published (\d+) \+ skipped 0 \|", process.output())
    assert match is not None, process.output()
    assert int(match[1]) == int(match[2]) > 0


def test_a_command_waits_for_a_broker_and_can_be_stopped_meanwhile(cluster: Cluster) -> None:
    """The message says what to do; SIGTERM is a regular end."""
    process = cluster.run("agent", "synthetic", CLOUT_BROKER="kafka://127.0.0.1:1")
    eventually(lambda: "no Kafka broker answers at kafka://127.0.0.1:1" in process.output(), 60, "it says so")
    assert process.stop() == 0
    assert "Traceback" not in process.output()
    assert "read 0 = published 0" in process.output()


async def test_a_replay_that_was_stopped_is_resumed_where_it_was(cluster: Cluster, tmp_path: Path) -> None:
    """Together both runs publish every row; what is sent twice has the same ids and times."""
    path = tmp_path / "rows.txt"
    path.write_text("".join(f"{n} {n + 1} {1_341_100_000 + n} RT\n" for n in range(2_000)))
    command = ("agent", "replay", str(path), "--format", "higgs", "--shift", "--resume")
    first = cluster.run(*command, "--speed", "300x")
    cursor = cursor_of(ReplayConfig(path, "higgs"), cluster.settings)
    eventually(cursor.load, 60, "a cursor is saved")
    assert first.stop() == 0
    assert finished(cluster.run(*command)) == 0
    events = await engagements(cluster.settings, "shares")
    times = {event.id: event.time for event in events}
    assert len(times) == 2_000
    assert len(set(map(str, events))) <= len(events) < 4_000
    assert {event.time - times[event.id] for event in events} == {0}
    assert max(times.values()) - min(times.values()) == 1_999_000


async def test_a_live_agent_that_hears_nothing_still_ticks(settings: Settings) -> None:
    """Time passes although nothing happens."""
    publisher = Publisher(settings)
    silent = Silent(publisher)
    tally = await Runner(silent, settings, publisher, Stamper(RedisActors(settings))).run()  # type: ignore[arg-type]
    assert tally.records["ticks"] >= settings.partitions
    assert tally.read == 0


class Silent:
    """A live source where nothing happens, until a tick has been acknowledged."""

    name = "silent"
    live = True

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def share(self) -> None:
        """There is no end."""

    async def batches(self, position: object = None) -> object:
        """Yield nothing, and end when time has passed."""
        while not self._publisher.counts["ticks"]:
            await asyncio.sleep(0.05)
        yield Batch()


def test_valkey_is_asked_in_parts_that_hold_up_nobody(valkey: Valkey) -> None:
    """A question of thousands is one round trip of several scripts; the answers belong together."""
    settings = Settings(redis=valkey.database(63))
    with redis.Redis.from_url(settings.redis) as client:
        client.flushdb()
        client.zadd("clout:rank", {f"n:{n}": n / 100 for n in range(3_000)})
        client.zadd("clout:influencers:n:t", {f"n:{n}": 1 for n in range(0, 3_000, 3)})

    async def stamped() -> list[Engagement]:
        stamper = Stamper(RedisActors(settings))
        out = await stamper.stamp([like(n, actor=f"n:{n}") for n in range(3_000)])
        await stamper.close()
        return [event for event in out if isinstance(event, Engagement)]

    for n, event in enumerate(asyncio.run(stamped())):
        assert (event.actor_score, event.mutual, event.actor_nth) == (n / 100, n % 3 == 0, 0)
