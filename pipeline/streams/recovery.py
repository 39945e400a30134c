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

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from pipeline import metrics
from pipeline.errors import FatalError
from pipeline.kafka import client_options
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.records import Records
from pipeline.state.restore import Restore
from pipeline.state.sources import PROFILES
from pipeline.streams.table import EngagementTable

# A name of its own: the services of this module log every start and stop under the module's.
_log = get_logger("pipeline.recovery")

FETCH_BYTES = 8 << 20
"""Of one changelog partition at once: rows are applied a fetch at a time."""

STALL_S = 30.0
"""Without any progress for this long the broker is asked no further."""


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
        numbers = {tp.partition for tp in inputs}
        # Ours before and ours now, with no generation in between: nobody else can have folded.
        kept = set(table.partitions_held) & numbers if generation == self._held_generation + 1 else set()
        for number in set(table.partitions_held) - kept:
            table.drop(number)
        wanted = sorted(numbers - kept)
        if wanted:
            await app.decisions.arrived()
            committed = await consumer.committed(inputs)
            started = time.monotonic()
            restores = {number: Restore(table.new_partition(number)) for number in wanted}
            await read_changelog(table.settings, table.changelog_topic.get_topic_name(), restores)
            for number, restore in restores.items():
                restore.finish(table.committed_vector(number, committed))
            await remember_ids(table, {number: restore.partition for number, restore in restores.items()})
            for restore in restores.values():
                table.keep(restore.partition)
            seconds = time.monotonic() - started
            metrics.RECOVERY_DURATION.observe(seconds)
            rows = sum(len(restore.partition) for restore in restores.values())
            _log.info("recovered", rows=rows, partitions=len(wanted), seconds=round(seconds, 3))
        for part in table.partitions_held.values():
            part.write_as(generation)
        metrics.REBALANCES.inc()
        app.rounds.forget_commits()
        self._held_generation = generation

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp.topic in self.tables.changelog_topics


async def read_changelog(settings: Settings, topic: str, restores: dict[int, Restore]) -> None:
    """
    Read the changelog of some partitions to its end.

    The end is where a fetch's high watermark says it is: brokers differ in what they answer when asked for it, and the
    last offset may be of a record that was compacted or of a marker.

    Raises:
        FatalError: The broker answers, but the end is not reached.
        ContractError: A row cannot be read.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        waiting = {TopicPartition(topic, number) for number in restores}
        consumer.assign(waiting)
        await consumer.seek_to_beginning(*waiting)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(waiting)
        progressed = time.monotonic()
        while waiting:
            fetched = await consumer.getmany(timeout_ms=200)
            for tp, records in fetched.items():
                restores[tp.partition].add([(record.key or b"", record.value) for record in records])
                progressed = time.monotonic()
                await asyncio.sleep(0)
            done = {tp for tp in waiting if await _is_at_end(consumer, tp, ends[tp])}
            if done:
                waiting -= done
                progressed = time.monotonic()
                consumer.pause(*done)
            if time.monotonic() - progressed > STALL_S:
                raise FatalError(_stalled(topic, waiting))
    finally:
        await consumer.stop()


async def remember_ids(table: EngagementTable, parts: dict[int, Partition]) -> None:
    """
    Read the ids before the committed offsets once more, as far back as repeats are looked for.

    They stand in the log itself, so nothing needs to be written for them.
    """
    settings = table.settings
    span = settings.dedupe_ids // 4
    ends = {
        TopicPartition(table.topic(source), number): int(part.positions[source])
        for number, part in parts.items()
        for source in range(PROFILES)
        if part.positions[source]
    }
    if not ends:
        return
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=FETCH_BYTES,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        consumer.assign(list(ends))
        begins = await consumer.beginning_offsets(list(ends))
        waiting = set()
        for tp, end in ends.items():
            begin = max(begins[tp], end - span)
            consumer.seek(tp, begin)
            if begin < end:
                waiting.add(tp)
        consumer.pause(*(ends.keys() - waiting))
        progressed = time.monotonic()
        while waiting:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                before = [record for record in records if record.offset < ends[tp]]
                if before:
                    parts[tp.partition].remember(table.source(tp.topic), _run_of(before))
                progressed = time.monotonic()
                await asyncio.sleep(0)
            done = {tp for tp in waiting if await consumer.position(tp) >= ends[tp]}
            if done:
                waiting -= done
                consumer.pause(*done)
            if time.monotonic() - progressed > STALL_S:
                raise FatalError(_stalled(table.topic(0), waiting))
    finally:
        await consumer.stop()


def _run_of(records: list[ConsumerRecord]) -> Records:
    return Records.of(
        records[0].offset,
        records[-1].offset + 1,
        [record.offset for record in records],
        [record.timestamp for record in records],
        [record.key for record in records],
        [record.value for record in records],
    )


async def _is_at_end(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> bool:
    highwater = consumer.highwater(tp)
    position = await consumer.position(tp)
    if highwater is None:
        # No fetch yet; an empty log answers none with records.
        return bool(end == 0 and position == 0)
    return bool(position >= max(highwater, end))


def _stalled(topic: str, waiting: Iterable[TopicPartition]) -> str:
    partitions = ", ".join(str(tp.partition) for tp in sorted(waiting))
    return (
        f"the changelog {topic} cannot be read to its end in partition {partitions}: nothing came for {STALL_S:.0f} s. "
        "Look at the broker's log for that partition, then start the worker again; nothing was committed"
    )


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
