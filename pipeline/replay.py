"""
The oracle: folds the same topics without Faust, in other batches, and compares.

For each user the newest record of `clout.scores` names the offsets that its partition had folded. The log is folded to
exactly these, scored at the document's `as_of`, and the result must be the document: score, factors, networks,
engagement and engagers. Traffic may go on meanwhile. What linked accounts have told their persons is checked the same
way. Spikes are evidence: what was told of them is compared within a tolerance (`spike_check.py`), and fails no check.
Where a worker was catching up, its topics came further apart than in the oracle's fold, and some spikes differ.
"""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from aiokafka import TopicPartition
from cyclopts import Parameter
from numpy.typing import NDArray

from pipeline.chains import Chain, chains
from pipeline.contributed import Contributed
from pipeline.control.reading import read_control
from pipeline.deployment import state_config
from pipeline.log_reader import LogReader
from pipeline.log_runs import Log, runs
from pipeline.pending import PATIENCE_S, Pending
from pipeline.replay_report import Report
from pipeline.score_log import Emitted, newest_documents
from pipeline.settings import Settings, get_settings
from pipeline.snapshot.beginning import Beginning, find_beginning
from pipeline.snapshot.commands import default_path
from pipeline.spike_check import found, told_since
from pipeline.state.decisions import Decisions
from pipeline.state.documents import score_documents
from pipeline.state.forgetting import drop_rows
from pipeline.state.partition import FATES, Partition
from pipeline.state.persons import standing
from pipeline.state.sources import SOURCES
from pipeline.stored import Stored
from schemas import Forgotten, Override, ScoreDocument

_COMPARED: Final = (
    "score",
    "bucket",
    "percentile",
    "confidence",
    "factors",
    "networks",
    "engagement",
    "engagers",
    "authenticity",
    "handle",
    "name",
    "avatar",
    "person",
    "model",
)


class Oracle:
    """Folds one partition after the other."""

    def __init__(self, settings: Settings, beginning: Beginning | None = None, patience_s: float = PATIENCE_S) -> None:
        self._settings = settings
        self._patience_s = patience_s
        self._beginning = beginning
        self._config = state_config(settings)
        self._decisions = Decisions()
        self._contributed = Contributed()
        self._pending = Pending()

    async def check(self, stored: Stored | None) -> Report:
        """Compare the newest documents of the scores topic, and of Redis if `stored` is given, with the log."""
        report = Report()
        control = await read_control(self._settings)
        for forgotten in control.all(Forgotten):
            self._decisions.add(forgotten)
        for override in control.all(Override):
            self._decisions.add(override)
        async with LogReader(self._settings) as reader:
            self._contributed = await Contributed.read(reader, self._settings)
            self._pending = Pending(contributions=self._contributed.ends)
            for number in range(self._settings.partitions):
                logs = await self._read(reader, number)
                newest = newest_documents(logs["scores"])
                self._check_partition(number, logs, newest, report)
                await self._compare_stored(stored, number, logs["scores"].end, newest, report)
            await self._wait(reader, report)
        return report

    async def _compare_stored(
        self, stored: Stored | None, number: int, end: int, newest: dict[bytes, Emitted], report: Report
    ) -> None:
        scores = TopicPartition(self._settings.topic_prefix + "scores", number)
        self._pending.scores[scores] = end
        if stored is not None:
            held = await stored.compare(scores, end, {user: emitted.value for user, emitted in newest.items()})
            report.differences += held.differences
            self._pending.newer |= held.newer

    async def _wait(self, reader: LogReader, report: Report) -> None:
        """Leave out of the report what is explained yet: traffic goes on, and small moves are held back."""
        pending, newer = self._pending, len(self._pending.newer)
        await pending.wait(reader, self._patience_s)
        report.missing = [user for user in report.missing if user in pending.owing]
        report.behind = [user for user in report.behind if user in pending.owing]
        report.newer = newer - len(pending.newer)
        report.differences += [
            f"{user}: Redis holds {held.value!r}, the topic never had it" for user, held in pending.newer.items()
        ]
        report.differences += [each.text for each in pending.disagreements]

    async def _read(self, reader: LogReader, number: int) -> dict[str, Log]:
        # The scores first: whatever they are made of is in the sources then, though traffic goes on.
        return await self._logs(reader, number, ["scores"]) | await self._logs(reader, number, [*SOURCES, "spikes"])

    async def _logs(self, reader: LogReader, number: int, names: list[str]) -> dict[str, Log]:
        prefix = self._settings.topic_prefix
        begins = await reader.begins([TopicPartition(prefix + name, number) for name in names])
        logs = {tp: Log(begin) for tp, begin in begins.items()}
        async for tp, records in reader.read(begins):
            log = logs[tp]
            for record in records:
                log.add(record, with_headers=tp.topic == prefix + "scores")
        return {tp.topic.removeprefix(prefix): log for tp, log in logs.items()}

    def _new_partition(self, number: int, logs: dict[str, Log]) -> Partition:
        part = Partition(number, self._config, self._decisions)
        if self._beginning is None:
            part.positions[:] = [logs[name].begin for name in SOURCES]
        else:
            self._beginning.put_into(part)
            drop_rows(part, self._decisions.forgotten.times)
        return part

    def _check_partition(self, number: int, logs: dict[str, Log], newest: dict[bytes, Emitted], report: Report) -> None:
        part = self._new_partition(number, logs)
        begin, begun, version = part.positions.copy(), len(part), part.version
        compared: dict[bytes, Emitted] = {}
        for user, emitted in newest.items():
            # Rows remember no past: what was emitted before the snapshot cannot be told from it.
            if _before(emitted.offsets, begin):
                report.earlier += 1
            else:
                compared[user] = emitted
        behind: list[bytes] = []
        spikes: list[bytes] = []
        for place, chain in enumerate(chains((emitted.offsets, user) for user, emitted in compared.items()) or [[]]):
            if place:
                part = self._new_partition(number, logs)
            spikes = self._compare_chain(part, chain, logs, compared, report)
            behind += _owed(part, (user for _, users in chain for user in users))
        behind += _owed(part, newest.keys() - compared.keys())
        report.spikes.compare(told_since(logs["spikes"].values, version), found(spikes))
        report.users += len(part)
        report.records += sum(len(logs[name].offsets) for name in SOURCES)
        for fate, count in zip(FATES, part.fates.tolist(), strict=True):
            report.fates[fate] += count
        # Who was only ever engaged with too late, or by blocked accounts, has no document.
        rows = [row for row, user in enumerate(part.ids) if user and user not in newest]
        missing = [part.ids[row] for row in rows if row < begun or part.owed[row]]
        report.missing += [user.decode() for user in missing]
        report.behind += [user.decode() for user in behind]
        self._pending.owing |= {user.decode(): -1 for user in missing}
        self._pending.owing |= {user.decode(): newest[user].document.version for user in behind}
        self._check_contributions(part, logs, report)

    def _compare_chain(
        self,
        part: Partition,
        chain: Chain[bytes],
        logs: dict[str, Log],
        newest: dict[bytes, Emitted],
        report: Report,
    ) -> list[bytes]:
        """Fold the whole log, compare the users of a chain on the way, and return what is told of spikes."""
        spikes: list[bytes] = []
        for offsets, users in chain:
            spikes += self._fold(part, logs, offsets)
            self._compare(part, [newest[user].document for user in users], report)
        ends = {name: max(logs[name].end, int(part.positions[i])) for i, name in enumerate(SOURCES)}
        return spikes + list(self._fold(part, logs, ends))

    def _check_contributions(self, end: Partition, logs: dict[str, Log], report: Report) -> None:
        """Compare what the accounts of a partition contribute with the log; `end` has all of it."""
        for chain in self._contributed.chains(end):
            part = self._new_partition(end.number, logs)
            begin = part.positions.copy()
            for offsets, told in chain:
                if _before(offsets, begin):
                    continue
                self._fold(part, logs, offsets)
                report.compared += len(told)
                report.differences += self._contributed.differences(part, told)
        self._pending.disagreements += self._contributed.disagreements(end)

    @staticmethod
    def _fold(part: Partition, logs: dict[str, Log], offsets: dict[str, int]) -> Sequence[bytes]:
        """Fold up to some offsets, and return what a worker would tell of spikes."""
        for source, run in runs(logs, dict(zip(SOURCES, part.positions.tolist(), strict=True)), offsets):
            part.fold(source, run)
        part.settle()
        return [record for records in part.spikes.take_told().values() for record in records]

    @staticmethod
    def _compare(part: Partition, documents: list[ScoreDocument], report: Report) -> None:
        by_time: dict[int, list[ScoreDocument]] = {}
        for document in documents:
            by_time.setdefault(document.as_of, []).append(document)
        for as_of, group in by_time.items():
            known = [document for document in group if document.user.encode() in part.index]
            report.differences.extend(
                f"{document.user}: a document, but nothing in the log" for document in group if document not in known
            )
            rows = np.array([part.index[document.user.encode()] for document in known], np.int64)
            if not len(rows):
                continue
            seen, scores = standing(part, rows, as_of)
            expected = score_documents(part, rows, seen, scores, 0, as_of)
            part.owed[rows] = False
            for document, truth in zip(known, expected, strict=True):
                report.compared += 1
                report.differences.extend(_differences(document, truth))


def _before(offsets: Mapping[str, int], begin: NDArray[np.int64]) -> bool:
    return any(offsets.get(name, 0) < begin[i] for i, name in enumerate(SOURCES))


def _owed(part: Partition, users: Iterable[bytes]) -> list[bytes]:
    return [user for user in users if user in part.index and part.owed[part.index[user]]]


def _differences(document: ScoreDocument, truth: ScoreDocument) -> list[str]:
    return [
        f"{document.user}: {name} is {getattr(document, name)}, the log says {getattr(truth, name)}"
        for name in _COMPARED
        if getattr(document, name) != getattr(truth, name)
    ]


async def run(settings: Settings, *, check: bool, snapshot: Path | None = None) -> Report:
    """Fold all topics, from a snapshot if need be, and compare with the scores topic, and with Redis when `check`."""
    beginning = await find_beginning(settings, snapshot, default_path(settings))
    stored = Stored(settings.redis) if check else None
    try:
        return await Oracle(settings, beginning).check(stored)
    finally:
        if stored is not None:
            await stored.close()


def replay_command(
    *,
    check: Annotated[bool, Parameter(help="Compare Redis, too, and fail when anything differs.")] = False,
    snapshot: Annotated[Path | None, Parameter(help="The snapshot to begin with.")] = None,
    broker: Annotated[str | None, Parameter(help="Kafka bootstrap servers, kafka://host:port")] = None,
    redis: Annotated[str | None, Parameter(help="redis://host:port/database")] = None,
) -> None:
    """Fold the topics without Faust and compare every score with what the log says."""
    settings = get_settings()
    changes = {name: value for name, value in (("broker", broker), ("redis", redis)) if value is not None}
    report = asyncio.run(run(settings.model_copy(update=changes), check=check, snapshot=snapshot))
    print(report.summary(check=check))  # noqa: T201 - the command's output
    if check and not report.clean:
        sys.exit(1)
