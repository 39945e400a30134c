"""The agent `activitypub`: an inbox for what a server of one's own receives; 202 once it is in the log."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final

import msgspec

from agents.activitypub.activities import first, read
from agents.activitypub.people import People
from agents.activitypub.signatures import parse
from agents.activitypub.signed import is_valid
from agents.deliveries import Deliveries
from agents.fetching import Fetcher
from agents.plausible import REASON, plausible
from agents.protocol import Batch, Position
from agents.receiver import Answer, Request, serving
from pipeline.clock import Clock, system_clock
from pipeline.logs import get_logger
from schemas import Engagement, Post

_AT_ONCE: Final = 64
"""Requests that are looked at together: each may fetch from strangers' servers."""

log = get_logger(__name__)


class ActivityPub:
    """Receives activities at any path that ends in /inbox."""

    name = "activitypub"
    live = True

    def __init__(self, host: str, port: int, fetcher: Fetcher, *, clock: Clock = system_clock) -> None:
        self._host, self._port = host, port
        self._people = People(fetcher, clock=clock)
        self._fetcher = fetcher
        self._clock = clock
        self._deliveries = Deliveries()
        self._room = asyncio.Semaphore(_AT_ONCE)

    def share(self) -> float | None:
        """There is no end."""
        return None

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:  # noqa: ARG002 - servers keep it
        """Yield what is delivered."""
        try:
            async with serving(self._host, self._port, self.answer):
                log.info("receiving", url=f"http://{self._host}:{self._port}/inbox")
                async for batch in self._deliveries.batches():
                    yield batch
        finally:
            await self._fetcher.close()

    async def answer(self, request: Request) -> Answer:
        """Answer a request; whatever it is, its fate is counted."""
        if request.method != "POST" or not request.path.endswith("/inbox"):
            return Answer(404, b"activities are POSTed to /inbox\n")
        async with self._room:
            actor = await self._signer(request)
            activity = _decoded(request.body)
            if actor is None or (activity is not None and first(activity.get("actor")) != actor):
                problem = Answer(401, b"the signature is not that of the actor\n")
                return await self._deliveries.refused("bad_signature", request, problem)
            if activity is None:
                return await self._deliveries.refused("malformed", request, Answer(400, b"this is no activity\n"))
            batch = await self._read(activity, actor)
        return await self._deliveries.stored(batch, request, Answer(202, b"stored\n"))

    async def _signer(self, request: Request) -> str | None:
        signed = parse(request, self._clock())
        if signed is None:
            return None
        for renewed in (False, True):
            key = await self._people.key(signed.key_id, renewed=renewed)
            if key is not None and is_valid(signed, key[1]):
                return key[0]
        return None

    async def _read(self, activity: Mapping[str, object], actor: str) -> Batch:
        batch, now = Batch(read=1), self._clock()
        user = await self._people.user(actor)
        fate = "no_actor" if user is None else await read(activity, user, self._people, now)
        if not isinstance(fate, str):
            times = [item.time for item in fate if isinstance(item, Engagement | Post)]
            fate = fate if all(plausible(time, now) for time in times) else REASON
        if isinstance(fate, str):
            batch.skip(fate)
        else:
            batch.items.extend(fate)
        batch.time = now
        return batch


def _decoded(body: bytes) -> dict[str, object] | None:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
