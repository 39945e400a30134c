"""`clout up` with its embedded broker loses nothing over a stop and a start."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.local.guard import Guard
from pipeline.settings import Settings
from schemas import Engagement
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.history import counted, held_by_reader
from tests.support.ledger import Counts, Ledger
from tests.support.load import Load
from tests.support.observed import read_scores
from tests.support.ports import free_port
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def up(guard: Guard, tmp_path: Path) -> Iterator[Cluster]:
    """Starts `clout up` with embedded servers on free ports."""
    settings = make_settings(
        f"kafka://127.0.0.1:{free_port()}",
        f"redis://127.0.0.1:{free_port()}/0",
        tmp_path,
        embedded=True,
        port=free_port(),
        worker_port=free_port(),
        sink_port=free_port(),
        alerter_port=free_port(),
        agent_port=free_port(),
        log_format="auto",
        broker_memory_mb=64,
    )
    cluster = Cluster(settings, guard, tmp_path)
    yield cluster
    cluster.stop()


def start(up: Cluster, **changes: str) -> Logged:
    """Start `clout up` and wait until it is ready."""
    process = up.run("up", **changes)
    said(process, "| ready after")
    return process


def said(process: Logged, text: str, deadline_s: float = 120) -> None:
    """Wait until a process has said something."""

    def written() -> bool:
        assert process.is_running(), process.output()
        return text in process.output()

    eventually(written, deadline_s, f"{text!r} in {process.log}")


def ends(process: Logged, limit_s: float = 60) -> None:
    """
    End it with SIGTERM, with status 0.

    The 10 s that are promised are the limit of `make chaos` alone: it has the machine to itself, while in `make test`
    three tests with half a dozen processes each share two slow cores.
    """
    process.child.signal(signal.SIGTERM)
    eventually(lambda: not process.is_running(), limit_s, "clout up has ended")
    assert process.child.status() == 0, process.output()
    assert "users and" in process.output(), "a snapshot was written"


def found(settings: Settings) -> Counts:
    """Return what a reader has counted of each user."""
    return counted(held_by_reader(asyncio.run(read_scores(settings))).values())


def scores(settings: Settings) -> dict[str, float]:
    """Return the newest score of each user in the log."""
    held = held_by_reader(asyncio.run(read_scores(settings)))
    return {user: document.score for user, document in held.items()}


def leaders(settings: Settings) -> dict[str, float]:
    """Return the scores of the leaderboard; none while the service cannot tell."""
    url = f"http://127.0.0.1:{settings.port}/v1/leaderboard?limit=50"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return {entry["document"]["user"]: entry["score"] for entry in json.load(answer)["leaders"]}
    except urllib.error.HTTPError:
        return {}


def publish(settings: Settings, events: list[Engagement]) -> None:
    """Publish events that were published before."""

    async def send() -> None:
        publisher = Publisher(settings)
        await publisher.start()
        await publisher.publish(Routes(settings).route(events))
        await publisher.flush()
        await publisher.stop()

    asyncio.run(send())


@pytest.mark.timeout(400)
def test_a_stop_and_a_start_lose_nothing(up: Cluster) -> None:
    """The same leaderboard; what repeats is known; new events count on; the oracle agrees."""
    settings, ledger = up.settings, Ledger(11, users=40)
    first = start(up, CLOUT_BROKER_MEMORY_MB="1024")
    with Load(settings, ledger, 1_000):
        eventually(lambda: ledger.records > 2_000, 60, "events flow")
    eventually(lambda: found(settings) == ledger.expected(), 60, "all are counted")
    # Small moves of a score alone are held back for up to 30 s.
    eventually(lambda: leaders(settings) == pytest.approx(scores(settings)), 120, "the leaderboard has the last scores")
    before = leaders(settings)
    assert before.keys() == ledger.expected().keys()
    ends(first)

    second = start(up, CLOUT_BROKER_MEMORY_MB="1024")
    eventually(lambda: leaders(settings) == pytest.approx(before, abs=0.11), 60, "the leaderboard is there again")
    publish(settings, ledger.newest(300))
    with Load(settings, ledger, 1_000):
        eventually(lambda: ledger.records > 3_000, 60, "events flow")
    eventually(lambda: found(settings) == ledger.expected(), 60, "each is counted once")
    oracle = up.run("replay", "--check")
    eventually(lambda: not oracle.is_running(), 150, "the oracle ends")
    assert oracle.child.status() == 0, oracle.output()
    assert "duplicate 300," in oracle.output()
    ends(second)


@pytest.mark.chaos
def test_a_broker_that_holds_too_much_begins_anew(up: Cluster) -> None:
    """From a snapshot, while the rest stands still; nothing is lost, and Redis keeps what it has."""
    settings, ledger = up.settings, Ledger(12, users=40)
    process = start(up)
    with Load(settings, ledger, 4_000):
        said(process, "it begins anew from a snapshot")
    said(process, "| going on")
    eventually(lambda: found(settings) == ledger.expected(), 60, "all are counted")
    before = ledger.records
    with Load(settings, ledger, 500):
        eventually(lambda: ledger.records > before + 500, 60, "events flow")
    eventually(lambda: found(settings) == ledger.expected(), 60, "events count on")
    eventually(lambda: len(leaders(settings)) == len(ledger.expected()), 60, "all are on the leaderboard")
    ends(process, 10)


@pytest.mark.chaos
def test_a_run_that_was_killed_is_told_of(up: Cluster) -> None:
    """What it had counted is lost, and no version is used twice."""
    settings, ledger = up.settings, Ledger(13, users=40)
    first = start(up)
    with Load(settings, ledger, 500):
        eventually(lambda: ledger.records > 500, 60, "events flow")
    eventually(lambda: found(settings) == ledger.expected(), 60, "all are counted")
    ends(first, 10)
    kept = ledger.expected()
    second = start(up)
    events = ledger.issue(200)
    publish(settings, events)
    ledger.acknowledge(events)
    eventually(lambda: found(settings) == ledger.expected(), 60, "more is counted")
    lost = max(document.version for document in asyncio.run(read_scores(settings)))
    second.kill()
    third = start(up)
    said(third, "the last run was ended by force")
    eventually(lambda: found(settings) == kept, 60, "the snapshot is what counts")
    assert min(document.version for document in asyncio.run(read_scores(settings))) > lost
    ends(third, 10)


def test_a_damaged_snapshot_is_not_overwritten(up: Cluster) -> None:
    """`clout up` ends with what is wrong and leaves the file to its user."""
    path = up.settings.data_dir / "snapshot.clout"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"CLOUTSNP\x01\x00\x00\x00 and then nothing that makes sense")
    process = up.run("up")
    eventually(lambda: not process.is_running(), 60, "clout up has ended")
    assert process.child.status() == 1
    assert f"the snapshot {path} is damaged" in process.output()
    assert "Traceback" not in process.output()
    assert path.read_bytes().endswith(b"nothing that makes sense")
