"""Real input from end to end: a file in, scores in Redis out, and the oracle finds no difference."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest
import redis

from pipeline.lookup import keys
from schemas import ScoreDocument
from tests.support.cluster import Cluster, Logged, Role
from tests.support.eventually import eventually
from tests.support.observed import metrics, wait_for_rest
from tests.unit.agents.samples import HIGGS, JETSTREAM, needs_data

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400), needs_data]

ROWS: Final = 410_134
"""Of the Higgs file."""
LEADER: Final = "twitter:88"
"""Who announced the discovery, and leads the whole file."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The last line of an agent."""

    read: int
    published: int
    skipped: dict[str, int]
    records: dict[str, int]

    @classmethod
    def of(cls, output: str) -> "Tally":
        """Read the line."""
        pattern = r"read (\d+) = published (\d+) \+ skipped \d+(?: \| skipped: ([^|]*))?.* \| acknowledged: (.*)"
        match = re.search(pattern, output)
        assert match is not None, output
        return cls(int(match[1]), int(match[2]), _counts(match[3] or ""), _counts(match[4]))

    @property
    def all_records(self) -> int:
        """Records in the topics that the worker folds."""
        return sum(count for topic, count in self.records.items() if topic != "identities")


def _counts(text: str) -> dict[str, int]:
    return {name: int(count) for name, _, count in (part.partition(" ") for part in text.split(", ") if part)}


def finished(process: Logged, deadline_s: float) -> str:
    """Wait for a command's end with status 0 and return its output."""
    eventually(lambda: not process.is_running(), deadline_s, f"{process.name} ends; its log is {process.log}")
    assert process.child.status() == 0, process.output()
    return process.output()


def replay(cluster: Cluster, path: Path, name: str, *options: str) -> Tally:
    """Replay a file as fast as it goes, with the command."""
    process = cluster.run("agent", "replay", str(path), "--format", name, "--speed", "max", *options, name="replay")
    return Tally.of(finished(process, 90))


def check_with_the_oracle(cluster: Cluster, **changes: str) -> None:
    """Run `clout replay --check`: it finds no difference and ends with 0."""
    output = finished(cluster.run("replay", "--check", name="oracle", **changes), 150)
    assert " 0 differences, 0 without a document, 0 behind" in output


def wait_for_redis(cluster: Cluster, sink: Role, worker: Role) -> None:
    """Wait until the sink has read all documents that the worker emitted."""
    emitted = int(metrics(worker).total("clout_score_updates_emitted_total"))
    names = ("stored", "stale", "superseded", "refused")

    def seen() -> int:
        reading = metrics(sink)
        return int(sum(reading.total(f"clout_score_updates_{name}_total") for name in names))

    eventually(lambda: seen() >= emitted, 60, f"the sink has read {emitted} documents (it has read {seen()})")
    assert metrics(sink).total("clout_score_updates_refused_total") == 0


def leaders(cluster: Cluster) -> list[str]:
    """Return the first ten of the leaderboard."""
    with redis.Redis.from_url(cluster.settings.redis) as store:
        return [user.decode() for user in store.zrevrange(keys.RANK, 0, 9)]  # type: ignore[union-attr]


def document(cluster: Cluster, user: str) -> ScoreDocument:
    """Return a user's document in Redis."""
    with redis.Redis.from_url(cluster.settings.redis) as store:
        value = store.get(keys.user(user))
        assert isinstance(value, bytes), user
        return msgspec.json.decode(value, type=ScoreDocument)


def stop_all(*roles: Role) -> None:
    """SIGTERM ends each with status 0; whether within 10 s is for `make chaos` to tell, which runs alone."""
    assert [role.stop() for role in roles] == [0] * len(roles)


def run_to_rest(
    cluster: Cluster, publish: Callable[[], Tally], **changes: str
) -> tuple[Tally, Role, Role, dict[str, int]]:
    """Start worker and sink, publish, and wait until both are done; return the tally, both and the fates."""
    worker, sink = cluster.start("worker", **changes), cluster.start("sink")
    worker.wait_ready()
    sink.wait_ready()
    tally = publish()
    (reading,) = wait_for_rest([worker], tally.all_records, 90)
    wait_for_redis(cluster, sink, worker)
    return tally, worker, sink, reading.fates()


def test_the_higgs_announcement_ends_as_a_leaderboard(cluster: Cluster) -> None:
    """Each row has one fate, the oracle agrees with every document, and the announcer leads."""
    tally, worker, sink, fates = run_to_rest(cluster, lambda: replay(cluster, HIGGS, "higgs"))
    assert tally.read == ROWS == tally.published + sum(tally.skipped.values())
    assert tally.records["shares"] + tally.records["comments"] == tally.published
    assert fates["applied"] == tally.all_records
    assert sum(fates.values()) == tally.all_records
    check_with_the_oracle(cluster)
    assert leaders(cluster)[0] == LEADER
    top = finished(cluster.run("top", name="top"), 60)
    assert LEADER in top.splitlines()[0]
    stop_all(worker, sink)


def test_the_recorded_frames_of_bluesky_end_as_scores(cluster: Cluster) -> None:
    """Every record is counted once, and the oracle agrees."""
    tally, worker, sink, fates = run_to_rest(cluster, lambda: replay(cluster, JETSTREAM, "jetstream"))
    kinds = {"likes": 104, "shares": 15, "comments": 6, "follows": 6, "posts": 17}
    assert {topic: tally.records[topic] for topic in kinds} == kinds
    assert fates["applied"] == tally.all_records
    check_with_the_oracle(cluster)
    stop_all(worker, sink)


def test_a_second_replay_of_a_file_counts_nothing_twice(cluster: Cluster) -> None:
    """With a horizon as long as the file every repeated id is a duplicate, and no score moves."""
    horizon = {"CLOUT_DEDUPE_HORIZON_S": str(7 * 86_400)}

    def publish() -> Tally:
        return replay(cluster, HIGGS, "higgs", "--limit", "20000")

    tally, worker, sink, fates = run_to_rest(cluster, publish, **horizon)
    before = document(cluster, leaders(cluster)[0])
    again = publish()
    (reading,) = wait_for_rest([worker], tally.all_records + again.all_records, 60)
    wait_for_redis(cluster, sink, worker)
    applied = fates["applied"] + again.records["ticks"]
    assert reading.fates() == {**fates, "applied": applied, "duplicate": again.published}
    after = document(cluster, before.user)
    assert (after.score, after.engagement) == (before.score, before.engagement)
    check_with_the_oracle(cluster, **horizon)
    stop_all(worker, sink)


def test_synthetic_traffic_with_everything_in_it_agrees_with_the_oracle(cluster: Cluster) -> None:
    """Late and repeated events, undos, posts, profiles and bots."""

    def publish() -> Tally:
        command = ("agent", "synthetic", "--events", "40000", "--users", "2000", "--rate", "max", "--seed", "5")
        return Tally.of(finished(cluster.run(*command, name="synthetic"), 60))

    tally, worker, sink, fates = run_to_rest(cluster, publish)
    assert sum(fates.values()) == tally.all_records
    assert fates["duplicate"] > 0
    assert fates["dead_lettered"] == 0
    check_with_the_oracle(cluster)
    stop_all(worker, sink)
