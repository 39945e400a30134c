"""The engine: takes what is due, sends it, and notes what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from pipeline.clock import Clock, system_clock
from pipeline.logs import get_logger
from pipeline.lookup.connection import AWAY
from pipeline.lookup.delivery.delivery import Attempt, Delivery, Status
from pipeline.lookup.delivery.http import HttpSender
from pipeline.lookup.delivery.mail import MailSender
from pipeline.lookup.delivery.outcome import Outcome
from pipeline.lookup.delivery.queue import LEASE_MS, DeliveryQueue
from pipeline.lookup.delivery.schedule import next_attempt
from pipeline.lookup.delivery.topic import TopicSender
from pipeline.metrics import WEBHOOK_DELIVERIES, WEBHOOK_DURATION
from schemas import EmailChannel, KafkaChannel

log = get_logger(__name__)

_LOOK_S: Final = 0.1
"""Between two looks at the queue: a delivery waits no longer for its first attempt."""
_RETRY_S: Final = 1.0
_RENEW_S: Final = LEASE_MS / 3000
"""Between two renewals of what is under way: receivers may think for longer than a lease."""

Wanted = Callable[[Delivery], str | None]
"""Returns why a delivery is not wanted any more, or None."""
Gone = Callable[[Delivery], Awaitable[None]]
"""Told when a receiver wants nothing any more."""


class Engine:
    """
    Works on the queue until cancelled.

    Each destination has a task of its own: one that hangs holds up nobody else.
    Of two engines each takes what the other has not.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        http: HttpSender,
        mail: MailSender,
        topic: TopicSender,
        *,
        wanted: Wanted,
        gone: Gone,
        clock: Clock = system_clock,
    ) -> None:
        self._queue = queue
        self._http = http
        self._mail = mail
        self._topic = topic
        self._wanted = wanted
        self._gone = gone
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        """The destinations that something is under way to."""
        self._renewed = 0.0

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is tried again later, under the same id."""
        try:
            while True:
                try:
                    await self._renew()
                    claimed = await self._queue.claim(self._clock())
                except AWAY as exc:
                    log.warning("deliveries wait for Redis", reason=str(exc))
                    await asyncio.sleep(_RETRY_S)
                    continue
                for destination, deliveries in claimed.items():
                    task = asyncio.create_task(self._work(destination, deliveries))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._http.close()
            await self._topic.close()

    async def _renew(self) -> None:
        now = time.monotonic()
        if self._busy and now - self._renewed >= _RENEW_S:
            self._renewed = now
            await self._queue.renew(self._busy)

    async def _work(self, destination: str, deliveries: list[Delivery]) -> None:
        self._busy.add(destination)
        try:
            await asyncio.gather(*(self._deliver(delivery) for delivery in deliveries))
            await self._queue.release(destination)
        except AWAY as exc:
            # The lease ends by itself, and what was not noted is sent again under the same id.
            log.warning("what came of deliveries could not be noted", reason=str(exc))
        finally:
            self._busy.discard(destination)

    async def _deliver(self, delivery: Delivery) -> None:
        reason = self._wanted(delivery)
        if reason is not None:
            await self._finish(delivery, "dropped", reason, None)
            return
        began = self._clock()
        outcome = await self._send(delivery)
        now = self._clock()
        WEBHOOK_DURATION.observe(max(0, now - began) / 1000)
        if outcome.result == "delivered":
            await self._finish(delivery, "delivered", outcome.detail, None)
            return
        again = None
        if outcome.result == "retry":
            again = next_attempt(len(delivery.attempts) + 1, now, outcome.retry_after_s)
        await self._finish(delivery, "failed" if again is None else "waiting", outcome.detail, again)
        if outcome.result == "gone":
            await self._gone(delivery)

    async def _send(self, delivery: Delivery) -> Outcome:
        channel = delivery.channel
        if isinstance(channel, EmailChannel):
            return await self._mail.send(delivery, channel)
        if isinstance(channel, KafkaChannel):
            return await self._topic.send(delivery, channel)
        return await self._http.send(delivery, channel)

    async def _finish(self, delivery: Delivery, status: Status, detail: str, again_at: int | None) -> None:
        attempts = [*delivery.attempts, Attempt(self._clock(), detail[:200])]
        WEBHOOK_DELIVERIES.labels("retried" if status == "waiting" else status).inc()
        await self._queue.finish(msgspec.structs.replace(delivery, status=status, attempts=attempts), again_at)
