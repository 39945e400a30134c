"""
A worker that stood still between the fence and its flush: the flush lands after its successor's, and changes nothing.

No broker refuses it: an idempotent producer is fenced by another one of the same transactional id alone, and workers
have none. So the same must happen on Tansu and on Apache Kafka, and the trial reads in the changelog that it did.
"""

import asyncio
import subprocess
import sys
from typing import Final

import numpy as np
import pytest

from pipeline.settings import Settings
from pipeline.state.codec import HEADER, META_KEY
from pipeline.streams.zombies import LOOK_S
from pipeline.topics import CHANGELOG
from tests.chaos.test_chaos_many_workers import recover_from_it_all, take_over
from tests.chaos.trial import Trial
from tests.chaos.zombie_worker import THEN
from tests.support.cluster import Role
from tests.support.eventually import eventually
from tests.support.topics import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

SILENCED: Final = "no longer a member of the group: nothing more is written"

OVERTAKEN: Final = "a worker that had lost this partition wrote rows of it"


def generations(settings: Settings) -> dict[bytes, list[int]]:
    """Return of each row the generations of its records' writers, in the order of the log."""
    found: dict[bytes, list[int]] = {}
    for record in asyncio.run(read_topic(settings, CHANGELOG.name)):
        assert record.key is not None
        if record.value is not None and record.key != META_KEY:
            header = np.frombuffer(record.value, HEADER, 1)
            found.setdefault(record.key, []).append(int(header["generation"][0]))
    return found


def overtaken(settings: Settings) -> int:
    """Return how many rows have a record of a lower generation behind one of a higher."""
    return sum(written != sorted(written) for written in generations(settings).values())


def overwritten(settings: Settings) -> int:
    """Return how many rows have one of a lower generation as their last."""
    return sum(written[-1] < max(written) for written in generations(settings).values())


def is_stopped(process: Role) -> bool:
    """Tell whether it stands still, as after SIGSTOP."""
    assert process.is_running(), process.output()[-6000:]
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout
    return state.startswith("T")


def flush_late(trial: Trial, then: str, *, owned: bool = True) -> None:
    """
    Let one worker stand still before its flush until another has all partitions and has folded on; then flush.

    Args:
        trial: At its beginning.
        then: What becomes of the zombie.
        owned: Whether the other one is still there when it flushes.
    """
    flushes = trial.nemesis.random.randrange(4, 12)
    command = [sys.executable, "-m", "tests.chaos.zombie_worker", str(flushes), then]
    settings = trial.cluster.settings
    with trial.load():
        zombie = trial.cluster.start("worker", command=command)
        eventually(lambda: is_stopped(zombie), 120, f"the worker stops before a flush; its log is {zombie.log}")
        trial.nemesis.note(f"{zombie.name} stands still after {flushes} flushes")
        other = trial.worker().wait_ready()
        take_over(trial, other)
        trial.wait_until_it_folds(other)
        trial.nemesis.moment(0.5, 2.0)
    # At rest: what follows in the log is the zombie's.
    trial.settle([other])
    assert overtaken(settings) == 0
    if not owned:
        trial.kill(other)
    zombie.thaw()
    eventually(lambda: overtaken(settings) > 0, 60, f"the late flush lands; the log is {zombie.log}")
    if then == "live":
        # Of another order of the topics, its documents would take back what the owner's told.
        eventually(lambda: SILENCED in zombie.output(), 60, f"the zombie tells nothing; the log is {zombie.log}")
        with trial.load():
            trial.wait_until_it_folds(zombie)
        recover_from_it_all(trial, [zombie, other])
    else:
        eventually(lambda: not zombie.is_running(), 60, f"the zombie dies; its log is {zombie.log}")
        assert zombie.child.status() == -9
        if owned:
            eventually(lambda: OVERTAKEN in other.output(), LOOK_S + 30, f"the owner has seen it; log {other.log}")
            eventually(lambda: overwritten(settings) == 0, 30, f"the owner writes over it; the log is {other.log}")
            recover_from_it_all(trial, [other])
        else:
            assert overwritten(settings) > 0, "the last that the log has of some rows is what the zombie wrote"
            with trial.load():
                successor = trial.worker()
                trial.wait_until_it_folds(successor)
            trial.settle([successor])
            trial.check()
    # Compaction must not leave the zombie's.
    assert overwritten(settings) == 0


@pytest.mark.parametrize("then", THEN)
def test_a_flush_that_lands_after_the_new_owners_loses_nothing(trial: Trial, then: str) -> None:
    """Neither while both run, nor when the next one reads what both have written."""
    flush_late(trial, then)


def test_a_flush_that_lands_when_nobody_owns_the_partition_loses_nothing(trial: Trial) -> None:
    """Whoever recovers it next writes the successor's rows again."""
    flush_late(trial, "die", owned=False)


@pytest.mark.kafka
@pytest.mark.parametrize("then", THEN)
def test_a_flush_that_lands_after_the_new_owners_loses_nothing_on_kafka(kafka_trial: Trial, then: str) -> None:
    """Kafka takes it, too, though its producer is idempotent."""
    flush_late(kafka_trial, then)


@pytest.mark.kafka
def test_a_flush_that_lands_when_nobody_owns_the_partition_loses_nothing_on_kafka(kafka_trial: Trial) -> None:
    """The same."""
    flush_late(kafka_trial, "die", owned=False)
