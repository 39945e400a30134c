"""
Recovery: rows are read back from the changelog in bulk, by a reader of their own.

Faust's recovery shares the consumer, the flow control and a queue with the streams; a changelog record passes them one
at a time (5,000 a second), and what is fetched between resuming and seeking is lost (faust-streaming 0.15.3,
tables/recovery.py). Here the changelog never enters the streams: a second consumer reads it to its end, a fetch at a
time, before the streams resume.
"""

import asyncio
import time
from collections.abc import Iterable

import numpy as np
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from pipeline import metrics
from pipeline.changelog import changelog_of, require_beginning, require_rows
from pipeline.errors import TopicMismatchError
from pipeline.log_reader import LogReader
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import PROFILES
from pipeline.streams.allocator import give_back
from pipeline.streams.table import EngagementTable

# A name of its own: the services of this module log every start and stop under the module's.
_log = get_logger("pipeline.recovery")


class BulkRecovery(Recovery):
    """Restores the partitions that were assigned, then lets the streams go on."""

    _held_generation = -1

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            generation = self._generation_id
            try:
                self._set_recovery_started()
                await self._wait(self._restore_or_crash(generation))
                self._set_recovery_ended()
                await self._resume_streams(generation_id=generation)
            except (RebalanceAgain, IllegalStateError):
                continue
            except ServiceStopped:
                break
            except Exception as exc:
                await self.app.crash(exc)
                raise

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing to do: changelogs don't pass through the streams."""

    async def _restore_or_crash(self, generation: int) -> None:
        try:
            await self._restore(generation)
            # Fetches and what was made of them would stay resident beside the rows, half as much again.
            give_back()
        except IllegalStateError:
            raise
        except Exception as exc:
            # The service that waits for this would only be cancelled, and nobody would hear of it.
            await self.app.crash(exc)
            raise

    async def _restore(self, generation: int) -> None:
        app = self.app
        table: EngagementTable = app.engagement
        consumer = app.consumer
        # A round that is under way must not meet partitions that are replaced beneath it.
        await consumer.maybe_wait_for_commit_to_finish()
        assigned = consumer.assignment()
        await consumer.pause_changelogs(tp for tp in assigned if self._is_changelog_tp(tp))
        inputs = [tp for tp in assigned if not self._is_changelog_tp(tp)]
        require_known(table.settings, inputs)
        numbers = {tp.partition for tp in inputs}
        # Ours before and ours now, with no generation in between: nobody else can have folded.
        kept = set(table.partitions_held) & numbers if generation == self._held_generation + 1 else set()
        for number in set(table.partitions_held) - kept:
            table.drop(number)
        app.rounds.go_on(generation)
        wanted = sorted(numbers - kept)
        if wanted:
            await app.decisions.arrived()
            committed = await consumer.committed(inputs)
            started = time.monotonic()
            restores = {number: Restore(table.new_partition(number)) for number in wanted}
            ends = await read_changelog(table.settings, restores)
            for number, restore in restores.items():
                vector = table.committed_vector(number, committed)
                require_rows(restore, table.settings, vector)
                restore.finish(vector)
                if (restore.partition.positions < vector).any():
                    _log.warning(
                        "offsets beyond what the last owner wrote were committed by another worker: read again",
                        partition=number,
                        records=int((vector - restore.partition.positions).sum()),
                    )
            await remember_ids(table, {number: restore.partition for number, restore in restores.items()})
            for number, restore in restores.items():
                table.keep(restore, ends[number])
            parts = [restore.partition for restore in restores.values()]
            seconds = time.monotonic() - started
            metrics.RECOVERY_DURATION.observe(seconds)
            rows = sum(len(part) for part in parts)
            # Folded, and in the changelog, but not committed: they come again, and count no second time.
            ahead = sum(int(np.maximum(part.ahead - part.positions, 0).sum()) for part in parts)
            _log.info("recovered", rows=rows, ahead=ahead, partitions=len(wanted), seconds=round(seconds, 3))
        for part in table.partitions_held.values():
            part.write_as(generation)
        metrics.REBALANCES.inc()
        app.rounds.forget_commits()
        self._held_generation = generation

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp.topic in self.tables.changelog_topics


def require_known(settings: Settings, inputs: Iterable[TP]) -> None:
    """
    Check that no topic has got more partitions.

    Raises:
        TopicMismatchError: One has.
    """
    for topic, number in inputs:
        if number >= settings.partitions:
            raise TopicMismatchError(
                f"topic {topic} has a partition {number}, but CLOUT_PARTITIONS is {settings.partitions}: since it has "
                "more, users are sent elsewhere; take a snapshot and restore it under another CLOUT_TOPIC_PREFIX"
            )


async def read_changelog(settings: Settings, restores: dict[int, Restore]) -> dict[int, int]:
    """
    Read the changelog of some partitions to its end.

    Returns:
        The offset up to which each was read.

    Raises:
        BrokerUnavailableError: The end is not reached.
        ChangelogLostError: The beginning is gone.
        ContractError: A row cannot be read.
    """
    async with LogReader(settings) as reader:
        begins = await reader.begins([changelog_of(settings, number) for number in restores])
        require_beginning(settings, begins)
        async for tp, run in reader.runs(begins):
            restores[tp.partition].add(run.keys, run.values)
            await asyncio.sleep(0)
        return {tp.partition: await reader.position(tp) for tp in begins}


async def remember_ids(table: EngagementTable, parts: dict[int, Partition]) -> None:
    """
    Read the ids before the committed offsets once more, as far back as repeats are looked for.

    They stand in the log itself, so nothing needs to be written for them.

    Raises:
        BrokerUnavailableError: The committed offsets are not reached.
    """
    ends = {
        TopicPartition(table.topic(source), number): int(part.positions[source])
        for number, part in parts.items()
        for source in range(PROFILES)
        if part.positions[source]
    }
    if not ends:
        return
    async with LogReader(table.settings) as reader:
        begins = await reader.begins(ends)
        starts = {tp: max(begins[tp], parts[tp.partition].reads_from(table.source(tp.topic))) for tp in ends}
        async for tp, run in reader.runs(starts, ends):
            parts[tp.partition].remember(table.source(tp.topic), run.before(ends[tp]))
            await asyncio.sleep(0)


class BulkTableManager(TableManager):
    """A table manager that recovers in bulk."""

    _recovery: BulkRecovery | None

    @property
    def recovery(self) -> BulkRecovery:
        """Recovery service used by this table manager."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Start without the stock's pause of a second."""
        await self._update_channels()
        await self.recovery.start()
