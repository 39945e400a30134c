"""One partition's way to the broker: in order, one batch in flight."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    AuthenticationFailedError,
    InvalidTopicError,
    KafkaError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.connection import Connection
from agents.routes import Chunk
from pipeline.clock import Clock
from pipeline.errors import FatalError

STALL_S: Final = 3.0
"""A batch under way for longer is worth a word."""
_HOPELESS: Final = (
    AuthenticationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
"""Trying again will not help."""
_PASSING: Final = (UnknownError, NotLeaderForPartitionError, LeaderNotAvailableError)
"""The same connection may do at the next attempt."""


@dataclass(slots=True)
class Receipt:
    """How many records of one `publish` the broker has not yet acknowledged, and the source events behind them."""

    remaining: int

    @property
    def acknowledged(self) -> bool:
        """True once the broker has all of them."""
        return self.remaining == 0


class Listener(Protocol):
    """Who a lane reports to."""

    def acknowledged(self, topic: str, count: int) -> None:
        """`count` records of `topic` are in the log."""

    def stalled(self, reason: str) -> None:
        """The broker does not answer; the lane goes on trying."""

    def failed(self, error: FatalError) -> None:
        """The lane has given up."""


@dataclass(slots=True)
class _Waiting:
    chunk: Chunk
    receipt: Receipt
    at: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """Records `start` to `end` of a waiting chunk, in one batch."""

    waiting: _Waiting
    start: int
    end: int


class Lane:
    """
    The records for one partition, sent in order.

    At most one batch is in flight, so that a retry cannot reorder; what arrives meanwhile makes up the next one.
    """

    def __init__(self, name: str, topic: str, partition: int, connection: Connection, clock: Clock) -> None:
        self._name = name
        self._topic = topic
        self._partition = partition
        self._connection = connection
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.pending = 0
        """Records that wait and are not in flight."""

    def add(self, chunk: Chunk, receipt: Receipt) -> None:
        """Append records; nothing is sent before `kick`."""
        self._waiting.append(_Waiting(chunk, receipt))
        self.pending += len(chunk.values)

    def kick(self, listener: Listener, at_least: int, on_idle: Callable[[], None]) -> None:
        """Send what waits, batch after batch while `at_least` records do; `on_idle` is called when fewer are left."""
        if self.pending and self._task is None and not self._stopped:
            self._task = asyncio.create_task(self._drain(listener, at_least))
            self._task.add_done_callback(lambda _: self._rest(on_idle))

    async def stop(self) -> None:
        """Give up what is not acknowledged; nothing is sent any more."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _rest(self, on_idle: Callable[[], None]) -> None:
        self._task = None
        if self.pending and not self._stopped:
            on_idle()

    async def _drain(self, listener: Listener, at_least: int) -> None:
        try:
            while True:
                await self._send_next(listener)
                if not self.pending or self.pending < at_least:
                    return
        except FatalError as error:
            listener.failed(error)

    async def _send_next(self, listener: Listener) -> None:
        parts: list[_Part] = []
        began = time.monotonic()
        pauses = backoff()
        producer = self._connection.producer
        builder = self._build(producer, parts)
        while (problem := await self._deliver(producer, builder, listener)) is not None:
            if time.monotonic() - began > STALL_S:
                listener.stalled(str(problem) or type(problem).__name__)
            await asyncio.sleep(next(pauses))
            if not isinstance(problem, _PASSING):
                await self._connection.reopen(producer)
            producer = self._connection.producer
            builder = _rebuild(producer, parts, self._clock())
        for part in parts:
            part.waiting.receipt.remaining -= part.end - part.start
        listener.acknowledged(self._topic, sum(part.end - part.start for part in parts))

    def _build(self, producer: AIOKafkaProducer, parts: list[_Part]) -> BatchBuilder:
        builder, now = producer.create_batch(), self._clock()
        while self._waiting:
            waiting = self._waiting[0]
            start = waiting.at
            waiting.at = _fill(builder, waiting.chunk, start, len(waiting.chunk.values), now)
            self.pending -= waiting.at - start
            if waiting.at > start:
                parts.append(_Part(waiting, start, waiting.at))
            if waiting.at < len(waiting.chunk.values):
                break
            self._waiting.popleft()
        return builder

    async def _deliver(self, producer: AIOKafkaProducer, builder: BatchBuilder, listener: Listener) -> Exception | None:
        """Return None once the broker has the batch, else why it must be built and sent again."""
        builder.close()
        try:
            future = await producer.send_batch(builder, self._name, partition=self._partition)
            done, _ = await asyncio.wait({future}, timeout=STALL_S)
            if not done:
                listener.stalled("no acknowledgement yet")
            await future
        except _HOPELESS as exc:
            raise FatalError(f"the broker refuses records for {self._name}: {exc}") from exc
        except (KafkaError, OSError, AssertionError) as exc:
            # AssertionError: the metadata does not know the partition, as after a broker lost its topics.
            return exc
        return None


def backoff() -> Iterator[float]:
    """Yield the seconds to wait before each further attempt, up to 2 s."""
    return itertools.chain((0.05, 0.1, 0.2, 0.5, 1.0), itertools.repeat(2.0))


def _fill(builder: BatchBuilder, chunk: Chunk, start: int, end: int, now: int) -> int:
    """Append records from `start` on; returns the first that did not fit."""
    append, keys, values = builder.append, chunk.keys, chunk.values
    for row in range(start, end):
        if append(timestamp=now, key=keys[row], value=values[row]) is None:
            return row
    return end


def _rebuild(producer: AIOKafkaProducer, parts: list[_Part], now: int) -> BatchBuilder:
    builder = producer.create_batch()
    for part in parts:
        end = _fill(builder, part.waiting.chunk, part.start, part.end, now)
        assert end == part.end, "the same records fill the same batch"
    return builder
