"""A trial: traffic with a known effect, a nemesis, and in the end the question whether each event was counted once."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Final

import redis

from pipeline.lookup import keys
from pipeline.replay import run as fold_the_log
from pipeline.replay_report import Report
from schemas import Engagement
from tests.support.cluster import Cluster, Logged, Role
from tests.support.eventually import eventually
from tests.support.history import contradictions, counted, doubled, held_by_reader, lost, went_back
from tests.support.ledger import Counts, Ledger
from tests.support.load import Load, publish
from tests.support.nemesis import Nemesis
from tests.support.observed import fates_by_all, metrics, read_emitted, wait_for_rest

RATE = 2_000
"""Events per second: many land between any two rounds of the worker."""

PROBE_S: Final = 30.0
"""Several times what is promised: trials run beside one another on two slow cores."""

_RECOVERED: Final = re.compile(r'"rows":(\d+),"ahead":(\d+)')


class Trial:
    """One test's pipeline, ledger and nemesis."""

    def __init__(self, cluster: Cluster, nemesis: Nemesis, ledger: Ledger) -> None:
        self.cluster = cluster
        self.nemesis = nemesis
        self.ledger = ledger
        self.folded_when_killed: list[int] = []
        self.sink: Role | None = None

    def load(self, rate: float = RATE) -> Load:
        """Return traffic that flows while its context is open."""
        return Load(self.cluster.settings, self.ledger, rate)

    def worker(self, **changes: str) -> Role:
        """Start a worker."""
        return self.cluster.start("worker", **changes)

    def store(self) -> None:
        """Start a sink: in the end Redis is compared, too."""
        self.sink = self.cluster.start("sink")

    def kill(self, worker: Role) -> None:
        """SIGKILL a worker, and note how far it had come."""
        folded = metrics(worker).received
        self.folded_when_killed.append(folded)
        assert worker.is_running(), worker.output()[-6000:]
        assert worker.kill() == -9
        self.nemesis.note(f"SIGKILL of {worker.name}, {folded} records folded")

    def leave(self, worker: Role) -> None:
        """SIGTERM a worker: it ends in time, with status 0, and by itself."""
        self.nemesis.note(f"SIGTERM for {worker.name}")
        assert worker.stop(10) == 0
        # Who must be left commits nothing in the end, and the group waits for it a whole session timeout.
        assert "does not stop" not in worker.output(), worker.output()[-6000:]

    def wait_until_it_folds(self, worker: Role, deadline_s: float = 120) -> None:
        """Wait until a worker folds new records; the first one in a fresh checkout compiles its loops before."""
        worker.wait_ready(deadline_s)
        before: dict[str, float] = {}

        def folds() -> bool:
            # Partitions come and go: it folds when any that it had has more than when it was first seen.
            found = metrics(worker).by_label("clout_engagements_received_total")
            more = any(count > before.get(partition, count) for partition, count in found.items())
            before.update({partition: count for partition, count in found.items() if partition not in before})
            for partition in before.keys() - found.keys():
                del before[partition]
            return more

        eventually(folds, deadline_s, f"{worker.name} folds; log {worker.log}")

    def settle(self, workers: Sequence[Role], deadline_s: float = 120, *, records: int | None = None) -> None:
        """With the faults over: all `records` (of the ledger) are folded, emitted and committed."""
        readings = wait_for_rest(workers, self.ledger.records if records is None else records, deadline_s)
        assert self.ledger.records > 0
        if records is None:
            told = {fate: count for fate, count in fates_by_all(readings).items() if count}
            repeated = {"duplicate": self.ledger.duplicates} if self.ledger.duplicates else {}
            assert told == {"applied": self.ledger.records - self.ledger.duplicates, **repeated}

    def check(self, *, undone: bool = False, records: int | None = None) -> None:
        """
        Each acknowledged event was counted once, no reader saw the past again, and the oracle agrees.

        Args:
            undone: Whether events were undone: then counts may fall.
            records: In the input topics, where a producer may have sent more than it knows of.
        """
        records = self.ledger.records if records is None else records
        report = self.compare(self.ledger.expected(), undone=undone)
        assert report.records == records
        assert report.fates["duplicate"] == self.ledger.duplicates + records - self.ledger.records
        if self.sink is not None:
            self._probe()

    def publish(self, events: Sequence[Engagement]) -> None:
        """Publish events beside the traffic, or without any, and return when they are acknowledged."""
        asyncio.run(publish(self.cluster.settings, events))
        self.ledger.acknowledge(events)

    def _probe(self) -> None:
        """With all faults over, a fresh event gets through."""
        event = self.ledger.probe()
        self.publish([event])
        with redis.Redis.from_url(self.cluster.settings.redis) as held:
            key = keys.user(event.target)
            eventually(lambda: held.exists(key) == 1, PROBE_S, f"{event.target} has a score")

    def compare(self, expected: Counts, *, undone: bool = False) -> Report:
        """Compare the documents with what is expected and, by the oracle, with the log; with a sink Redis, too."""
        emitted = asyncio.run(read_emitted(self.cluster.settings))
        documents = [document for document, _ in emitted]
        found = counted(held_by_reader(documents).values())
        problems = {
            "lost": lost(expected, found),
            "counted twice, or never sent": doubled(expected, found),
            "went back": went_back(documents, undone=undone),
            "contradicts itself": contradictions(emitted),
        }
        if self.sink is not None:
            assert self.sink.is_running(), self.sink.output()[-6000:]
        report = asyncio.run(fold_the_log(self.cluster.settings, check=self.sink is not None))
        assert report.compared >= len(expected)
        problems["the oracle differs"] = [
            *report.differences,
            *(f"{user}: no document" for user in report.missing),
            *(f"{user}: behind" for user in report.behind),
        ]
        told = {name: (len(found), found[:5]) for name, found in problems.items() if found}
        assert not told, f"{told} after {self.nemesis.done}, seed {self.nemesis.seed}"
        return report


def recovered(worker: Logged) -> tuple[int, int]:
    """Return how many rows a worker has read back, and how many records were in them, but not committed."""
    found = [(int(match[1]), int(match[2])) for match in _RECOVERED.finditer(worker.output())]
    return sum(rows for rows, _ in found), sum(ahead for _, ahead in found)


def held(worker: Role) -> set[int]:
    """Return the partitions that a worker says it owns; none while it starts, or does not answer."""
    try:
        answer = urllib.request.urlopen(f"{worker.url}/readyz", timeout=5)
    except urllib.error.HTTPError as unready:
        answer = unready
    except (urllib.error.URLError, TimeoutError):
        return set()
    with answer:
        return set(json.load(answer)["partitions"])
