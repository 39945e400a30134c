"""
The Faust transport that carries record batches: one message a fetch, not one a record.

Faust's tasks, locks, sensors and acknowledgements are then paid once per batch. Acknowledging is not done message by
message: the engagement table knows the position to which it has folded each partition, and a round of
`commit.CommitRounds` makes it durable and commits it.

Uses names of aiokafka 0.14.0 and faust-streaming 0.15.3 that begin with an underscore: both are pinned for that reason.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import Any, ClassVar, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service
from mode.utils.futures import maybe_set_exception

from pipeline.errors import BrokerRefusesError
from pipeline.fetches import Fetched, next_fetches
from pipeline.settings import get_settings
from pipeline.state.records import Records
from pipeline.streams.inbox import LARGE, Inbox
from pipeline.streams.lease import Heard
from pipeline.streams.membership import leave_at_rest, note_heartbeats
from pipeline.streams.producer_thread import ProducerThread
from pipeline.streams.read_ahead import ReadAhead, Reading

POLL_S = 0.5
"""How long fetching waits for records, and the drain for fetches, before they look whether they should stop."""

IDLE_S = 0.02
"""How often it is looked whether there is something to fetch while nothing may be fetched, or a round is done."""

REST_S = 0.2
"""The pause after a fetch that brought little: rounds are as far apart. Each fetch costs this process a millisecond,
and the embedded broker looks through all batches of every partition for it."""

OFFSETS_S = 2.0
"""How long it waits for the beginnings or ends of partitions: it asks again later."""

BRING_IN_S = 0.1
"""How long a round waits for what has arrived of a partition."""

READINGS = 8
"""Fetches that are read ahead, beyond those that wait for the agent."""

_NO_TIMESTAMP_TYPE = 0


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """
    Runs aiokafka's consumer in a thread of its own; hands out fetches unparsed.

    What belongs to a loop is touched in its own thread: uvloop crashes the process where it meets another one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heartbeats = Heard()

    async def on_start(self) -> None:
        """Start the consumer."""
        await super().on_start()
        note_heartbeats(self._ensure_consumer(), self.heartbeats)
        if not get_settings().idempotence:  # the embedded broker
            leave_at_rest(self._ensure_consumer())

    def close(self) -> None:
        """
        Nothing: the thread's own stop closes the client and leaves the group.

        Faust calls this in the worker's thread, when a rebalance meets a worker that stops. It would close connections
        that the consumer's loop is reading from, and keep that stop from doing anything.
        """

    def _crash(self, reason: BaseException) -> None:
        if self._thread in {None, threading.current_thread()}:
            super()._crash(reason)
        else:
            with suppress(RuntimeError):  # the loop has ended
                self.thread_loop.call_soon_threadsafe(super()._crash, reason)

    async def crash(self, exc: BaseException) -> None:
        """Crash the worker, in the worker's thread."""
        if self._thread is not threading.current_thread():
            await super().crash(exc)
            return
        self.parent_loop.call_soon_threadsafe(maybe_set_exception, self._thread_running, exc)
        crash = asyncio.run_coroutine_threadsafe(self.consumer.crash(exc), self.parent_loop)
        # What comes next in this thread finds the worker crashed, and leaves it alone. A loop that is busy hears later.
        await asyncio.wait([asyncio.wrap_future(crash)], timeout=POLL_S)

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1,500 ms, and a drained partition waits that long for the idle fetch of another.
        consumer._fetch_max_wait_ms = get_settings().fetch_wait_ms
        consumer._isolation_level = "read_committed"
        return consumer

    @Service.task
    async def _fetch(self) -> None:
        """Fetch what the inbox wants, whatever the worker's loop is busy with."""
        consumer = cast("BatchConsumer", self.consumer)
        try:
            while not self.should_stop:
                if await self._is_refused():
                    return
                wanted = consumer.inbox.wanted if consumer.flow_active else frozenset()
                fetcher = self._ensure_consumer()._fetcher
                if not wanted:
                    # The group gives up whoever fetches nothing for minutes; reading the changelog may take as long.
                    recovers = not consumer.app.tables.actives_ready
                    with fetcher._subscriptions.fetch_context() if recovers else nullcontext():
                        await asyncio.sleep(IDLE_S)
                    continue
                if fetcher._closed:
                    consumer.failed(ConsumerStoppedError())
                    return
                fetched = await next_fetches(fetcher, wanted, POLL_S)
                consumer.inbox.put({TP(tp.topic, tp.partition): run for tp, run in fetched.items()})
                if fetched and sum(run.size for run in fetched.values()) < LARGE:
                    await asyncio.sleep(REST_S)
        except Exception as exc:  # noqa: BLE001 - the worker's loop raises it where Faust expects it
            consumer.failed(exc)

    async def _is_refused(self) -> bool:
        """Crash when the group has refused this worker: aiokafka tells only who fetches, and nobody does meanwhile."""
        try:
            self._ensure_consumer()._coordinator.check_errors()
        except KafkaError as exc:
            refused = BrokerRefusesError(
                f"the worker's group refuses it ({type(exc).__name__}: {exc}): look at the broker's log, at what its "
                "user may do with the group, and whether another worker has its CLOUT_GROUP_INSTANCE_ID"
            )
            await self.crash(refused)
            return True
        return False

    async def is_member(self) -> bool | None:
        """Ask the group's coordinator whether this worker still is a member; None when it does not answer."""
        coordinator = self._ensure_consumer()._coordinator
        asks = coordinator.generation >= 0 and coordinator.coordinator_id is not None
        if asks and await coordinator._do_heartbeat():
            return True
        # The client forgets its generation only when the coordinator has told it that it is a member no more.
        return False if coordinator.generation < 0 else None

    async def begins(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return where some partitions begin; of none when the broker does not answer soon."""
        return await self._offsets(self._ensure_consumer().beginning_offsets, tps)

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the ends of some partitions; of none when the broker does not answer soon."""
        return await self._offsets(self._ensure_consumer().end_offsets, tps)

    async def _offsets(self, ask: Callable[..., Awaitable[Mapping[Any, int]]], tps: Iterable[TP]) -> dict[TP, int]:
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(OFFSETS_S):
                found = await ask(list(map(_topic_partition, tps)))
                return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}
        return {}

    async def committed(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the group's committed offsets; 0 where there is none."""
        consumer = self._ensure_consumer()
        positions: dict[TP, int] = {}
        for tp in tps:
            positions[tp] = await consumer.committed(aiokafka.TopicPartition(tp.topic, tp.partition)) or 0
        return positions

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Go on at these positions, where the partitions still are this worker's."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        mine = {tp: offset for tp, offset in positions.items() if _topic_partition(tp) in assigned}
        # Nothing is awaited in between, nor between taking a fetch and putting it into the inbox. What waits of other
        # partitions stays: nobody would fetch it again.
        cast("BatchConsumer", self.consumer).inbox.drop(mine.keys())
        for tp, offset in mine.items():
            consumer.seek(_topic_partition(tp), offset)

    async def pause_changelogs(self, tps: Iterable[TP]) -> None:
        """Keep aiokafka from fetching changelogs: what nobody takes would hold up every other fetch."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        consumer.pause(*[tp for tp in map(_topic_partition, tps) if tp in assigned])

    def lags(self) -> dict[TP, int]:
        """Return how many records the broker holds of each partition beyond what has been fetched."""
        consumer = self._consumer
        if consumer is None or (subscription := consumer._subscription.subscription) is None:
            return {}
        if (assignment := subscription.assignment) is None:
            return {}
        states = ((tp, assignment.state_value(tp)) for tp in assignment.tps)
        return {
            TP(tp.topic, tp.partition): max(0, state.highwater - state.position)
            for tp, state in states
            if state.highwater is not None and state.has_valid_position and not state.paused
        }


def _topic_partition(tp: TP) -> aiokafka.TopicPartition:
    return aiokafka.TopicPartition(tp.topic, tp.partition)


class BatchConsumer(driver.Consumer):
    """Delivers one message a fetch and lets `app.rounds` make it durable."""

    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reader = ReadAhead()
        self._arrived = asyncio.Event()
        self._failure: Exception | None = None
        self.inbox = Inbox(time.monotonic, self._notify)

    async def on_stop(self) -> None:
        """Stop the thread that reads ahead, too."""
        self._reader.stop()
        await super().on_stop()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _notify(self) -> None:
        """Wake the loop; called in the consumer's thread."""
        self.loop.call_soon_threadsafe(self._arrived.set)

    def failed(self, failure: Exception) -> None:
        """Let the loop raise what stopped the consumer's thread from fetching; called there."""
        self._failure = failure
        self._notify()

    async def _drain_messages(self, fetcher: Service) -> None:
        readings: asyncio.Queue[tuple[TP, Reading]] = asyncio.Queue(READINGS)
        delivery = asyncio.create_task(self._deliver_all(readings))
        try:
            while not (self.should_stop or fetcher.should_stop):
                taken = await self._next_fetch()
                if taken is not None:
                    tp, fetched = taken
                    await readings.put((tp, self._reader.start(self.app.engagement.source(tp.topic), fetched)))
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise
        except Exception as exc:
            await self.crash(exc)
            raise
        finally:
            delivery.cancel()
            self.set_shutdown()

    async def _deliver_all(self, readings: "asyncio.Queue[tuple[TP, Reading]]") -> None:
        try:
            while True:
                tp, reading = await readings.get()
                await self._deliver(tp, reading if isinstance(reading, Records) else await reading)
        except Exception as exc:  # noqa: BLE001 - nobody waits for this task: the worker must hear of it
            await self.crash(exc)

    async def _next_fetch(self) -> tuple[TP, Fetched] | None:
        """Wait for the next fetch, for some time."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = self._get_active_partitions()
        # Records taken while the tables recover would vanish when the flow resumes.
        if self.should_stop or not active or not self.app.tables.actives_ready:
            self.inbox.want(())
            await self.sleep(IDLE_S)
            return None
        self.inbox.want(active)
        if self._failure is not None:
            raise self._failure
        self._arrived.clear()
        taken = self.inbox.take()
        if taken is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(POLL_S, self.inbox.left())):
                    await self._arrived.wait()
        return taken

    async def bring_in(self, number: int) -> None:
        """Let what has arrived of a partition be folded now; what takes long is not waited for."""
        self.inbox.release(number)
        wanted = {tp: end for tp, end in self.inbox.ends().items() if tp.partition == number}
        until = time.monotonic() + BRING_IN_S
        while time.monotonic() < until:
            folded = self.app.engagement.positions(wanted)
            if all(folded[tp] >= end for tp, end in wanted.items()):
                return
            await asyncio.sleep(0)

    async def _deliver(self, tp: TP, records: Records) -> None:
        generation = self.app.consumer_generation_id
        # A partition whose messages are many is not active, but its messages go on: they wait below.
        if not self.flow_active or tp not in self._get_active_partitions() | self._buffered_partitions:
            # Sought back to the committed offset when the flow resumes.
            return
        message = _message(tp, records, generation)
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Make everything folded so far durable, emit what is due and commit."""
        state = self.app.sensors.on_commit_initiated(self)
        committed = await self.app.rounds.run()
        self.app.sensors.on_commit_completed(self, state)
        return bool(committed)

    async def commit_positions(self, positions: Mapping[TP, int]) -> bool:
        """Commit offsets: False when the group has moved on."""
        assigned = self.assignment()
        mine = {tp: offset for tp, offset in positions.items() if tp in assigned}
        if not mine or self._thread.should_stop:
            return False
        did_commit = await self._commit(mine)
        if did_commit:
            self._committed_offset.update(mine)
        return bool(did_commit)

    async def is_member(self) -> bool | None:
        """Tell whether the group still counts this worker as a member; None when its coordinator does not answer."""
        if self._thread.should_stop:
            # Who asks a thread that has stopped waits for ever.
            return None
        member: bool | None = await self._thread.call_thread(self._thread.is_member)
        return member

    @property
    def heartbeats(self) -> Heard:
        """Which heartbeats were answered."""
        return self._thread.heartbeats

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the ends of some partitions; of none when the broker does not answer soon."""
        if self._thread.should_stop:
            return {}
        ends: dict[TP, int] = await self._thread.call_thread(self._thread.ends, list(tps))
        return ends

    async def committed(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the group's committed offsets; 0 where there is none."""
        positions: dict[TP, int] = await self._thread.call_thread(self._thread.committed, list(tps))
        return positions

    async def pause_changelogs(self, tps: Iterable[TP]) -> None:
        """Keep changelogs from being fetched with the input."""
        await self._thread.call_thread(self._thread.pause_changelogs, list(tps))

    def lags(self) -> dict[TP, int]:
        """Return how many records of each partition are not folded yet: at the broker, or fetched."""
        ends = self.inbox.ends()
        folded = self.app.engagement.positions(ends)
        fetched = {tp: max(0, end - folded[tp]) for tp, end in ends.items()}
        return {tp: lag + fetched.get(tp, 0) for tp, lag in self._thread.lags().items()}

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make durable what is folded while the partitions are still ours, then let them go."""
        self.stop_flow()
        try:
            # A round that was under way has not seen what was folded meanwhile. Its future is no good to wait for:
            # anybody else who does, and is cancelled, cancels it.
            while self._commit_fut is not None:  # noqa: ASYNC110
                await asyncio.sleep(IDLE_S)
            await self.commit()
        except Exception as exc:
            # aiokafka takes no notice of what its listener raises, and no further round would write anything.
            await self.crash(exc)
            raise
        self.app.rounds.pause()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The group has formed; recovery lets rounds go on."""
        self.app.rounds.group_formed(generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Go on where the state stands: at the committed offsets, or at the beginning."""
        if self._thread.should_stop:
            return
        tps = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        committed = await self.committed(tps)
        self.app.engagement.skip_removed(await self._thread.call_thread(self._thread.begins, tps))
        if get_settings().idempotence:  # the embedded broker names another end, and keeps all or nothing
            self.app.engagement.give_up_lost(await self._thread.call_thread(self._thread.ends, tps))
        positions = self.app.engagement.positions(committed)
        await self._thread.call_thread(self._thread.seek_all, positions)
        self._committed_offset.update(positions)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave lag to the metrics: the stock check compares two different clocks."""


def _message(tp: TP, records: Records, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        records.end - 1,
        0.0,
        _NO_TIMESTAMP_TYPE,
        None,
        None,
        records,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class BatchProducer(driver.Producer):
    """A producer with the deployment's choice of idempotence; rounds write with one like it in a thread of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.thread = ProducerThread(self._new_producer)

    async def on_start(self) -> None:
        """Start the thread, too."""
        await super().on_start()
        await self.thread.start()

    async def on_stop(self) -> None:
        """Stop the thread, too."""
        await self.thread.stop()
        await super().on_stop()

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": get_settings().idempotence}


class Transport(driver.Transport):
    """`clout://host:port`: aiokafka, a record batch a message."""

    Consumer: ClassVar[type] = BatchConsumer
    Producer: ClassVar[type] = BatchProducer
