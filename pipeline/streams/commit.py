"""
Rounds: what was folded becomes durable, visible and committed, in this order.

    settle -> changelog, acknowledged -> scores and details, acknowledged -> offsets committed

Each partition goes through the first three by itself, while the next one is planned; the commit is one for all.
A score is never visible before the state behind it is durable, so a crash cannot take a version back.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from faust.types import TP
from numpy.typing import NDArray

from pipeline import metrics
from pipeline.clock import Clock, system_clock
from pipeline.errors import MembershipLostError
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.state.codec import encode_meta, encode_rows
from pipeline.state.details import details_documents
from pipeline.state.documents import ENCODER, encoded_documents, rounded
from pipeline.state.partition import FATES, Partition
from pipeline.state.sources import SOURCES
from pipeline.state.view import features
from pipeline.streams.batches import Acknowledged
from pipeline.streams.dead_letters import write_letters
from pipeline.streams.emission import Due
from pipeline.streams.lease import Lease
from pipeline.streams.plan import Outputs, Plan, write
from pipeline.streams.producer_thread import ProducerThread
from pipeline.streams.table import EngagementTable
from pipeline.streams.zombies import Zombies

_log = get_logger(__name__)

CATCHING_UP: Final = 50_000
"""Records of lag from which on a worker is catching up, some seconds of a busy deployment."""

CAUGHT_UP: Final = 10_000
"""Records of lag from which on it no longer is: what is folded a moment later would have to be emitted again."""

CATCHUP_INTERVAL_S: Final = 15.0
"""Time between rounds while catching up: rows that many events touch are written once. A crash costs as much again."""

DETAILS_A_ROUND: Final = 96
"""Details emitted in a round, of all partitions: they take 150 us each, and must not hold up scores."""

DETAILED_A_ROUND: Final = 2
"""Partitions that have their turn: one detail of a partition costs a round nearly as much as fifty."""

OVERRUN_S: Final = 0.5
"""After a round that took longer no details are emitted: scores come first."""

FORMING_S: Final = 50.0
"""Less than Apache Kafka waits for a member to join a group that forms anew: Faust asks it for 60 s."""

EMBEDDED_FORMING: Final = 0.45
"""The same of the embedded broker, in session timeouts: it waits for half of one."""

ROW_COST_S: Final = 20e-6
"""First guess of what a row's emission costs; then it is measured."""


class CommitRounds:
    """Runs rounds for one worker, one at a time."""

    def __init__(self, app: Any, table: EngagementTable, settings: Settings, clock: Clock = system_clock) -> None:
        self._app = app
        self._table = table
        self._clock = clock
        self._share = settings.emit_catchup_share
        self._outputs = Outputs.of(settings, table.changelog_topic.get_topic_name())
        self._zombies = Zombies(settings, lambda: table.tails)
        self._lease = Lease(
            self._is_member,
            lambda: app.consumer.heartbeats,
            settings.session_timeout_s / 2,
            FORMING_S if settings.idempotence else settings.session_timeout_s * EMBEDDED_FORMING,
        )
        self._committed: dict[TP, int] = {}
        self._row_cost = ROW_COST_S
        self._last_round = time.monotonic()
        self._round_s = 0.0
        self._failed = False
        self._broken = False
        self._paused = False
        self._generation: int | None = None
        self._behind = False
        self._turn = 0
        self.lag = 0

    async def run(self) -> bool:
        """
        Run one round.

        Returns:
            Whether offsets were committed.

        Raises:
            ChangelogWriteError: The broker did not acknowledge: nothing is committed.
            BrokerUnavailableError: Nobody says whether this worker still is a member: the same.
        """
        consumer, producer = self._app.consumer, self._app.producer.thread
        # After a write that failed the rows it held are marked as flushed: the next round, also the one
        # that the worker's stop asks for, must not commit past them.
        may_write = not (self._failed or self._broken or self._paused)
        if not may_write or not self._table.partitions_held or not producer.is_running:
            return False
        self.lag = sum(consumer.lags().values())
        started = time.monotonic()
        self._behind = catching_up = self.lag > (CAUGHT_UP if self._behind else CATCHING_UP)
        running = consumer.flow_active and not consumer.should_stop
        if catching_up and running and started - self._last_round < CATCHUP_INTERVAL_S:
            return False
        if running:
            # Before the fence: nothing that takes long may stand between it and the flush.
            await self._zombies.look(consumer, self._table.partitions_held, self._table.delete)
            running = consumer.flow_active and not consumer.should_stop
        before = list(self._table.partitions_held.values())
        member = await self._lease.renew()
        if member is None:
            # A broken connection is no verdict: write nothing, keep the state, ask again in the next round.
            return False
        if not member:
            _log.warning("no longer a member of the group: nothing is written, the state is dropped")
            self._drop(before)
            return False
        # A rebalance may have come while the coordinator was asked, or comes between two partitions.
        parts = list(self._table.partitions_held.values())
        self._failed = True
        try:
            plans = await self._run(producer, parts, started, catching_up=catching_up, running=running)
        except MembershipLostError:
            # Rows that landed late lose against the successor's; documents would not.
            _log.warning("no longer a member of the group: nothing more is written, the state is dropped")
            self._drop(parts)
            self._failed = False
            return False
        self._failed = False
        self._turn += 1
        self._last_round = time.monotonic()
        self._round_s = self._last_round - started
        metrics.ROUND_DURATION.observe(self._round_s)
        # What went to another worker meanwhile is that worker's to commit.
        positions = {tp: at for plan in plans if self._is_held(plan.part) for tp, at in plan.positions.items()}
        moved = {tp: offset for tp, offset in positions.items() if self._committed.get(tp) != offset}
        committed = bool(moved) and await consumer.commit_positions(moved)
        if committed:
            self._note_committed(plans, moved)
        metrics.UNCOMMITTED.set(self._uncommitted())
        return committed

    def _note_committed(self, plans: list[Plan], offsets: dict[TP, int]) -> None:
        self._committed.update(offsets)
        for plan in plans:
            for tp in plan.positions.keys() & offsets.keys():
                plan.part.committed[self._table.source(tp.topic)] = offsets[tp]

    def _uncommitted(self) -> int:
        """Return how many input partitions stand further than what was committed."""
        return sum(
            int(part.positions[source]) > self._committed.get(TP(self._table.topic(source), number), 0)
            for number, part in self._table.partitions_held.items()
            for source in range(len(SOURCES))
        )

    async def _is_member(self) -> bool | None:
        # Faust makes the consumer when it is first asked for, which is not yet.
        member: bool | None = await self._app.consumer.is_member()
        return member

    def _drop(self, parts: list[Partition]) -> None:
        """Let go what still is as it was; what was recovered anew came with another membership."""
        for part in filter(self._is_held, parts):
            self._table.drop(part.number)

    def _is_held(self, part: Partition) -> bool:
        """Tell whether a partition still is ours: not dropped, nor recovered anew."""
        return self._table.partitions_held.get(part.number) is part

    def fail(self) -> None:
        """A fold has failed: from now on nothing is written or committed, by the round that is under way neither."""
        self._broken = True

    def pause(self) -> None:
        """The group forms anew: until it is known which partitions are still ours, nothing is written."""
        self._paused, self._generation = True, None

    def group_formed(self, generation: int) -> None:
        """The group has formed, and has this generation."""
        self._generation = generation

    def go_on(self, generation: int) -> None:
        """All partitions held are ours, in a generation; it may be gone again."""
        if generation == self._generation:
            self._paused = False

    def forget_commits(self) -> None:
        """After a rebalance: what was committed is not known any more."""
        self._committed.clear()

    async def _run(
        self, producer: ProducerThread, parts: list[Partition], started: float, *, catching_up: bool, running: bool
    ) -> list[Plan]:
        """Plan the partitions one after the other, and write each while the next ones are planned."""
        now = self._clock()
        since = min(max(started - self._last_round, 0.05), CATCHUP_INTERVAL_S)
        budget = int(self._share * since / self._row_cost) if catching_up else None
        limit = None if budget is None else max(1, budget // max(1, len(parts)))
        plans: list[Plan] = []
        writes: list[asyncio.Future[list[Acknowledged]] | asyncio.Future[None]] = []
        try:
            for part in filter(self._is_held, parts):
                # What arrives goes on only while the flow does: not in the last round before a rebalance or the end.
                if running and not catching_up:
                    await self._app.consumer.bring_in(part.number)
                    if not self._is_held(part):
                        continue
                if self._broken:
                    return []
                part.settle()
                plans.append(self._plan(part, now, limit))
                writes.append(producer.write(partial(write, plans[-1], self._outputs, self._clock(), self._lease)))
                # Each partition is taken at a moment of its own; in between, fetches are folded.
                await asyncio.sleep(0)
                if any(map(_has_failed, writes)):
                    break
            else:
                if self._broken:
                    return []
                # After the last plan: the positions in it are behind all that was refused until then.
                letters = self._app.dead_letters.take()
                writes.append(producer.write(partial(write_letters, self._app.dead_letters.topic, letters, now)))
        finally:
            done = await asyncio.gather(*writes, return_exceptions=True)
        written: list[list[Acknowledged]] = []
        for each in done:
            if isinstance(each, BaseException):
                raise each
            written.append(each or [])
        for plan, rows in zip(plans, written, strict=False):
            self._told(plan, rows)
        self._observe(parts)
        return plans

    def _plan(self, part: Partition, now: int, limit: int | None) -> Plan:
        plan = Plan(part)
        emission, number = self._table.emissions[part.number], part.number
        forgotten = [(key, None) for key in self._table.take_forgotten(number)]
        for records in (plan.rows, plan.scores, plan.details):
            records.extend(forgotten)
        plan.farewells.extend(self._table.take_farewells(number))
        overtaken = self._zombies.owe(part, emission)
        before = time.monotonic()
        dues = emission.due(part, now, limit)
        planned = np.zeros(len(part), np.bool_)
        for due in dues:
            planned[due.rows] = True
            self._plan_scores(plan, due, now)
        emitted = int(np.count_nonzero(planned))
        if emitted > 100:
            cost = (time.monotonic() - before) / emitted
            self._row_cost += 0.2 * (cost - self._row_cost)
        if limit is None and self._round_s < OVERRUN_S:
            self._plan_details(plan, emission.details_due(part, now, self._share_of_details(number)), now)
        self._plan_contributions(plan, np.flatnonzero(planned), now)
        moved = bool((part.positions != part.committed).any())
        rows = emission.to_save(part, planned, moved=moved)
        # Whose document is not owed has it out when this round is done, if not before; but readers may not take it yet.
        is_out = ~part.owed[rows] & (self._table.tails[number].hidden_to < 0) & (moved | ~planned[rows])
        plan.rows.extend(encode_rows(part, rows, is_out, part.writer))
        part.dirty[rows] = False
        told = part.spikes.take_told()
        plan.spikes.extend((part.ids[row], record) for row, records in told.items() for record in records)
        positions = {
            TP(self._table.topic(source), number): int(part.positions[source]) for source in range(len(SOURCES))
        }
        if overtaken or any(self._committed.get(tp, 0) != offset for tp, offset in positions.items()):
            plan.rows.append(encode_meta(part, part.writer))
        plan.positions = {tp: offset for tp, offset in positions.items() if offset}
        offsets = dict(zip(SOURCES, part.positions.tolist(), strict=True))
        plan.headers = [("offsets", msgspec.json.encode(offsets))]
        return plan

    def _share_of_details(self, number: int) -> int:
        """Return how many details of a partition a round may make: partitions take turns, a few in each round."""
        held = sorted(self._table.partitions_held)
        turn = (held.index(number) - self._turn * DETAILED_A_ROUND) % len(held)
        return DETAILS_A_ROUND // min(DETAILED_A_ROUND, len(held)) if turn < DETAILED_A_ROUND else 0

    def _plan_scores(self, plan: Plan, due: Due, now: int) -> None:
        part = plan.part
        plan.scores.extend(encoded_documents(part, due.rows, due.features, due.scores, now))
        part.emitted[due.rows] = rounded(due.scores.score)

    def _plan_details(self, plan: Plan, rows: NDArray[np.int64], now: int) -> None:
        if len(rows):
            documents = details_documents(plan.part, rows, features(plan.part, rows), now)
            plan.details.extend(zip(plan.part.index.names(rows), map(ENCODER.encode, documents), strict=True))

    def _plan_contributions(self, plan: Plan, rows: NDArray[np.int64], now: int) -> None:
        part = plan.part
        for row, sent in self._table.emissions[part.number].contributions.due(part, rows.tolist(), now).items():
            plan.contributions.extend(sent)
            # What is told while the log is read again may be older than what the person holds.
            if part.applied is None:
                plan.told.append((row, [each.user for each in sent if not each.linked]))

    def _told(self, plan: Plan, rows: list[Acknowledged]) -> None:
        """Note what a plan that was written has told."""
        if self._is_held(plan.part):
            self._table.tails[plan.part.number].wrote(rows)
        for row, former in plan.told:
            plan.part.linking.told(row, former)
        metrics.SCORE_UPDATES_EMITTED.inc(len(plan.scores))
        metrics.DETAILS_EMITTED.inc(len(plan.details))
        metrics.SPIKES_EMITTED.inc(len(plan.spikes))

    def _observe(self, parts: list[Partition]) -> None:
        gauges = (
            metrics.ENGAGEMENTS_APPLIED,
            metrics.ENGAGEMENTS_DUPLICATE,
            metrics.ENGAGEMENTS_LATE,
            metrics.ENGAGEMENTS_FORGOTTEN,
            metrics.ENGAGEMENTS_DEAD_LETTERED,
        )
        assert len(gauges) == len(FATES)
        for part in filter(self._is_held, parts):
            label = str(part.number)
            for gauge, count in zip(gauges, part.fates.tolist(), strict=True):
                gauge.labels(label).set(count)
            metrics.ENGAGEMENTS_RECEIVED.labels(label).set(int(part.fates.sum()))
            metrics.ROWS.labels(label).set(len(part))
        for tp, lag in self._app.consumer.lags().items():
            metrics.CONSUMER_LAG.labels(tp.topic, str(tp.partition)).set(lag)
        metrics.SCORES_OWED.set(sum(int(np.count_nonzero(part.owed[: len(part)])) for part in parts))


def _has_failed(written: "asyncio.Future[Any]") -> bool:
    return written.done() and not written.cancelled() and written.exception() is not None
