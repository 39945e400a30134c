"""Snapshots, as a user takes them and begins from them: nothing is lost, nothing is counted twice."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.clock import system_clock
from pipeline.kafka import client_options
from pipeline.local.guard import Guard
from pipeline.replay import run as fold_the_log
from pipeline.replay_report import Report
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from schemas import Engagement, Identity, ScoreDocument
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.history import counted, doubled, held_by_reader, lost
from tests.support.ledger import Ledger
from tests.support.load import Load
from tests.support.observed import metrics, read_scores, wait_for_rest
from tests.support.settings import make_settings
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration

Begin = Callable[..., Cluster]


@pytest.fixture
def begin(cluster: Cluster, guard: Guard, tmp_path: Path) -> Begin:
    """Makes a deployment of its own beside the first one: on the same servers, with other topics."""
    return lambda **changes: beside(cluster, guard, tmp_path, **changes)


def beside(cluster: Cluster, guard: Guard, directory: Path, **changes: int) -> Cluster:
    """Return a deployment of its own beside another."""
    settings = make_settings(cluster.settings.broker, cluster.settings.redis, directory, **changes)
    other = Cluster(settings, guard, directory)
    other.processes = cluster.processes  # end with the first one's
    other._numbers = cluster._numbers
    return other


def done(process: Logged) -> str:
    """Wait until a command has ended well and return what it said."""
    eventually(lambda: not process.is_running(), 60, f"{process.name} ends; its log is {process.log}")
    assert process.child.status() == 0, process.output()
    return process.output()


def documents(settings: Settings) -> dict[str, ScoreDocument]:
    """Return the newest document of each user."""
    return held_by_reader(asyncio.run(read_scores(settings)))


def publish(settings: Settings, events: Sequence[Engagement | Identity]) -> None:
    """Publish events that may have been published before."""

    async def send() -> None:
        publisher = Publisher(settings)
        await publisher.start()
        await publisher.publish(Routes(settings).route(events))
        await publisher.flush()
        await publisher.stop()

    asyncio.run(send())


def liked(settings: Settings) -> dict[str, int]:
    """Return the likes of each user, with those of the accounts that belong to them."""
    return {user: counts["like"] for user, counts in counted(documents(settings).values()).items()}


def oracle(settings: Settings, snapshot: Path) -> Report:
    """Let the oracle begin from a snapshot."""
    return asyncio.run(fold_the_log(settings, check=False, snapshot=snapshot))


def is_counted_once(ledger: Ledger, settings: Settings) -> None:
    """Check each user's counts."""
    found = counted(documents(settings).values())
    assert lost(ledger.expected(), found) == doubled(ledger.expected(), found) == []


@pytest.mark.parametrize("partitions", [3, *(pytest.param(count, marks=pytest.mark.chaos) for count in (4, 7))])
def test_a_log_that_begins_from_a_snapshot_goes_on_counting(
    cluster: Cluster, begin: Begin, tmp_path: Path, partitions: int
) -> None:
    """In the same number of partitions or another: counts, scores and repeated ids are as if nothing had happened."""
    ledger, path = Ledger(3), tmp_path / "rows.clout"
    worker = cluster.start("worker").wait_ready()
    with Load(cluster.settings, ledger, 2_000):
        eventually(lambda: ledger.records > 3_000, 60, "events flow")
    (reading,) = wait_for_rest([worker], ledger.records)
    before = documents(cluster.settings)
    assert worker.stop() == 0
    assert "users and" in done(cluster.run("snapshot", str(path)))

    other = begin(partitions=partitions)
    assert f"{len(before)} users" in done(other.run("restore", str(path))).replace(",", "")
    successor = other.start("worker").wait_ready()
    (restored,) = wait_for_rest([successor], reading.received)
    assert restored.fates() == reading.fates()
    after = documents(other.settings)
    assert after.keys() == before.keys()
    for user, document in after.items():
        assert document.version >= before[user].version
        assert (document.engagement, document.engagers) == (before[user].engagement, before[user].engagers)
        assert document.score == pytest.approx(before[user].score, abs=0.11)

    repeated = ledger.newest(500)
    publish(other.settings, repeated)
    with Load(other.settings, ledger, 2_000):
        eventually(lambda: ledger.records > 5_000, 60, "events flow")
    (last,) = wait_for_rest([successor], ledger.records + len(repeated))
    assert last.fates()["duplicate"] == ledger.duplicates + len(repeated)
    is_counted_once(ledger, other.settings)
    report = oracle(other.settings, path)
    assert report.clean, report
    assert report.compared == len(documents(other.settings))
    for user, document in documents(other.settings).items():
        if user in after:
            assert document.version >= after[user].version


def test_persons_keep_their_accounts_in_another_number_of_partitions(
    cluster: Cluster, begin: Begin, tmp_path: Path
) -> None:
    """Accounts and persons come to lie elsewhere: each person has each account once, and hears what comes later."""
    path, now, names = tmp_path / "rows.clout", system_clock(), [f"n:{letter}" for letter in "abcdefgh"]
    likes = [Engagement(f"{user}/{n}", "like", "n", f"n:x{n}", user, now) for user in names for n in range(3)]
    links = [Identity(user, "n:a", now) for user in names[1:5]] + [Identity(user, "n:f", now) for user in names[6:]]
    cluster.start("worker").wait_ready()
    publish(cluster.settings, likes)
    publish(cluster.settings, links)
    with_accounts = dict.fromkeys(names, 3) | {"n:a": 15, "n:f": 9}
    eventually(lambda: liked(cluster.settings) == with_accounts, 60, "persons have their accounts")
    publish(cluster.settings, [Identity("n:b", "n:b", now)])
    eventually(lambda: liked(cluster.settings)["n:a"] == 12, 60, "an account has left")
    cluster.stop()
    done(cluster.run("snapshot", str(path)))

    other = begin(partitions=3)
    done(other.run("restore", str(path)))
    other.start("worker").wait_ready()
    eventually(lambda: liked(other.settings) == with_accounts | {"n:a": 12}, 60, "nothing has changed")
    publish(other.settings, [Engagement(f"{user}/later", "like", "n", "n:x", user, now) for user in ("n:b", "n:c")])
    publish(other.settings, [Identity("n:h", "n:a", now)])
    expected = with_accounts | {"n:a": 16, "n:b": 4, "n:c": 4, "n:f": 6}
    eventually(lambda: liked(other.settings) == expected, 60, "it goes on from there")
    report = oracle(other.settings, path)
    assert not report.differences, report


def test_what_the_worker_had_not_folded_is_in_the_snapshot(cluster: Cluster, begin: Begin, tmp_path: Path) -> None:
    """A worker was killed, the log went on: the snapshot is the log, not what the worker had of it."""
    ledger, path = Ledger(4), tmp_path / "rows.clout"
    worker = cluster.start("worker").wait_ready()
    with Load(cluster.settings, ledger, 2_000):
        eventually(lambda: metrics(worker).received > 1_000, 60, "the worker folds")
        assert worker.kill() == -9
        folded = ledger.records
        eventually(lambda: ledger.records > folded + 2_000, 60, "events flow")
    done(cluster.run("snapshot", str(path)))
    other = begin()
    done(other.run("restore", str(path)))
    successor = other.start("worker").wait_ready()
    wait_for_rest([successor], ledger.records)
    is_counted_once(ledger, other.settings)


@pytest.mark.kafka
def test_offsets_beyond_the_last_owners_rows_are_not_believed(
    kafka_cluster: Cluster, guard: Guard, tmp_path: Path
) -> None:
    """Whoever committed them counted nothing: a snapshot and the next worker go on where the rows stand."""
    cluster = kafka_cluster
    settings = cluster.settings
    ledger, path = Ledger(8), tmp_path / "rows.clout"
    worker = cluster.start("worker").wait_ready()
    with Load(settings, ledger, 2_000):
        eventually(lambda: ledger.records > 2_000, 60, "events flow")
    wait_for_rest([worker], ledger.records)
    assert worker.stop() == 0
    unread = ledger.issue(500)
    publish(settings, unread)
    ledger.acknowledge(unread)

    async def commit_all() -> None:
        ends = {
            TopicPartition(settings.topic_prefix + name, record.partition): record.offset + 1
            for name in ENGAGEMENT_TOPICS
            for record in await read_topic(settings, name)
        }
        group = f"{settings.topic_prefix}worker"
        async with AIOKafkaConsumer(**client_options(settings), group_id=group, enable_auto_commit=False) as consumer:
            consumer.assign(list(ends))
            before = [await consumer.committed(tp) or 0 for tp in ends]
            assert sum(ends.values()) == sum(before) + len(unread)
            await consumer.commit(ends)

    asyncio.run(commit_all())
    done(cluster.run("snapshot", str(path)))
    other = beside(cluster, guard, tmp_path)
    done(other.run("restore", str(path)))
    successors = other.start("worker").wait_ready(), cluster.start("worker").wait_ready()
    for successor, of in zip(successors, (other, cluster), strict=True):
        wait_for_rest([successor], ledger.records)
        is_counted_once(ledger, of.settings)
    assert "offsets beyond what the last owner wrote" in successors[1].output()


@pytest.mark.chaos
def test_a_second_snapshot_remembers_the_ids_of_the_first(cluster: Cluster, begin: Begin, tmp_path: Path) -> None:
    """Ids outlive the log that they came in, and the one after it."""
    ledger, path = Ledger(5), tmp_path / "rows.clout"
    first = ledger.issue(500)
    publish(cluster.settings, first)
    done(cluster.run("snapshot", str(path)))
    second = begin()
    done(second.run("restore", str(path)))
    publish(second.settings, ledger.issue(500))
    done(second.run("snapshot", str(path)))
    third = begin(partitions=3)
    done(third.run("restore", str(path)))
    publish(third.settings, first)
    worker = third.start("worker").wait_ready()
    (reading,) = wait_for_rest([worker], 1_500)
    assert reading.fates()["duplicate"] == 500


@pytest.mark.chaos
def test_the_oracle_begins_where_a_snapshot_of_the_same_topics_was_taken(cluster: Cluster, tmp_path: Path) -> None:
    """What was emitted before is told apart from what differs."""
    ledger, path = Ledger(6), tmp_path / "rows.clout"
    worker = cluster.start("worker").wait_ready()
    with Load(cluster.settings, ledger, 2_000):
        eventually(lambda: ledger.records > 2_000, 60, "events flow")
        done(cluster.run("snapshot", str(path)))
        taken = ledger.records
        eventually(lambda: ledger.records > taken + 1_000, 60, "events flow")
    wait_for_rest([worker], ledger.records)
    report = oracle(cluster.settings, path)
    assert report.clean, report
    assert report.compared > 0
    assert sum(report.fates.values()) < ledger.records, "it did not fold everything"


def test_topics_that_are_in_use_are_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    """A snapshot begins a log; it is not mixed into another."""
    path = tmp_path / "rows.clout"
    publish(cluster.settings, Ledger(7).issue(10))
    done(cluster.run("snapshot", str(path)))
    refused = cluster.run("restore", str(path))
    eventually(lambda: not refused.is_running(), 60, "it ends")
    assert refused.child.status() == 1
    assert "a snapshot begins a log, but there are records in" in refused.output()
    assert "Traceback" not in refused.output()


def test_the_oracle_refuses_a_snapshot_of_other_topics(cluster: Cluster, begin: Begin, tmp_path: Path) -> None:
    """It would compare apples and pears."""
    path = tmp_path / "rows.clout"
    publish(cluster.settings, Ledger(8).issue(10))
    done(cluster.run("snapshot", str(path)))
    refused = begin().run("replay", "--snapshot", str(path))
    eventually(lambda: not refused.is_running(), 60, "it ends")
    assert refused.child.status() == 1
    assert "did not begin from it" in refused.output()
