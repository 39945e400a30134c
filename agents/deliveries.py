"""What was pushed to a receiver: into batches, and the answer to each sender once the broker has its part."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

from agents.inbox import Inbox
from agents.protocol import Batch
from agents.receiver import Answer, Request

_ANSWER_S: Final = 9.0
"""GitHub waits for ten seconds, others for longer; all of them try again."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    batch: Batch
    size: int
    stored: asyncio.Event

    def __len__(self) -> int:
        return self.size


class Deliveries:
    """Between the requests and the runner."""

    def __init__(self) -> None:
        self._inbox: Inbox[_Delivery] = Inbox()
        self._turn = asyncio.Lock()
        """Who waits for room keeps their place: what is settled must have been read in this order."""

    async def batches(self) -> AsyncGenerator[Batch]:
        """Yield what was delivered, several requests together."""
        while True:
            yield _together(await self._inbox.take())

    async def stored(self, batch: Batch, request: Request, answer: Answer) -> Answer:
        """Return `answer` once the broker has what a request brought, and 503 when that takes too long."""
        stored = await self._put(batch, len(request.body))
        try:
            async with asyncio.timeout(_ANSWER_S):
                await stored.wait()
        except TimeoutError:
            return Answer(503, b"not stored yet: send it again\n")
        return answer

    async def add(self, batch: Batch) -> None:
        """Hand on what no sender waits for."""
        await self._put(batch, 0)

    def end(self, reason: Exception) -> None:
        """Say that nothing more will come, and why."""
        self._inbox.end(reason)

    async def refused(self, reason: str, request: Request, answer: Answer) -> Answer:
        """Count a request that brought nothing, and return `answer`."""
        await self._put(Batch(read=1, skipped={reason: 1}), len(request.body))
        return answer

    async def _put(self, batch: Batch, size: int) -> asyncio.Event:
        stored = asyncio.Event()
        async with self._turn:
            await self._inbox.put(_Delivery(batch, size, stored))
        return stored


def _together(deliveries: Sequence[_Delivery]) -> Batch:
    whole = Batch()
    for delivery in deliveries:
        whole.add(delivery.batch)

    def settled() -> None:
        for delivery in deliveries:
            if delivery.batch.settled is not None:
                delivery.batch.settled()
            delivery.stored.set()

    whole.settled = settled
    return whole
