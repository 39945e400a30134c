"""Events as Server-Sent Events."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from pipeline.lookup.api.state import Service
from pipeline.lookup.feed import Event, Feed
from pipeline.lookup.hub import Hub

_RETRY_MS: Final = 2000
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(description: str) -> ResponseSpec:
    """Return what the OpenAPI document says of a stream."""
    return ResponseSpec(str, description=description, media_type="text/event-stream", generate_examples=False)


async def stream(service: Service, hub: Hub, feed: Feed, *, after: str | None, snapshot: bool = False) -> Stream:
    """
    Return the answer that sends the events of a feed.

    Raises:
        StoreUnavailableError: Redis is away: an error rather than a silent stream.
    """
    await service.store.ping()
    await hub.started()
    return Stream(_frames(feed, after, snapshot=snapshot), media_type="text/event-stream", headers=_HEADERS)


async def _frames(feed: Feed, after: str | None, *, snapshot: bool) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % _RETRY_MS
    async with aclosing(feed.events(after=after, snapshot=snapshot)) as events:
        async for together in events:
            yield b"".join(map(frame, together))


def frame(event: Event) -> bytes:
    """Return an event as it goes over the wire."""
    lines = f"id: {event.id}\n".encode() if event.id else b""
    if event.kind == "alive":
        return b": alive\n" + lines + b"\n"
    return lines + f"event: {event.kind}\n".encode() + b"data: " + event.data.replace(b"\n", b"\ndata: ") + b"\n\n"
