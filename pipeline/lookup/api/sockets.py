"""Events over a WebSocket: each a text message, `{"event", "id", "data"}`."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from pipeline.errors import StoreUnavailableError
from pipeline.lookup.api.problems import InvalidFieldError, Problem, problem_of
from pipeline.lookup.api.state import Service
from pipeline.lookup.feed import Event, Feed
from pipeline.lookup.hub import Hub

AnySocket = WebSocket[Any, Any, Any]

_REFUSED: Final = 1008
_TRY_AGAIN: Final = 1013
_GOING_AWAY: Final = 1001


class Message(msgspec.Struct, frozen=True):
    """What is sent; the last of a refused connection is an `error` whose data is a problem document."""

    event: str
    id: str | None
    data: msgspec.Raw | Problem


_encode = msgspec.json.Encoder().encode


async def serve(
    socket: AnySocket, service: Service, hub: Hub, open_feed: Callable[[], tuple[Feed, str | None, bool]]
) -> None:
    """
    Send the events of a feed until either side ends.

    `open_feed` reads the query and gives the feed, the id to resume behind and whether a snapshot is wanted.
    Browsers do not see why a handshake failed: what is wrong is told on the accepted connection, which is then closed.
    """
    await socket.accept()
    try:
        feed, after, snapshot = open_feed()
        await service.store.ping()
        await hub.started()
    except (InvalidFieldError, StoreUnavailableError) as exc:
        problem = problem_of(exc)
        await socket.send_data(_encode(Message("error", None, problem)).decode())
        await socket.close(_REFUSED if problem.status < 500 else _TRY_AGAIN, problem.title)
        return
    leaving = asyncio.create_task(_until_it_leaves(socket))
    sending = asyncio.create_task(_send(socket, feed, after, snapshot=snapshot))
    try:
        await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
        if not leaving.done():
            await socket.close(_GOING_AWAY)
    finally:
        leaving.cancel()
        sending.cancel()
        await asyncio.gather(leaving, sending, return_exceptions=True)


async def _send(socket: AnySocket, feed: Feed, after: str | None, *, snapshot: bool) -> None:
    async with aclosing(feed.events(after=after, snapshot=snapshot)) as events:
        async for together in events:
            for event in together:
                await socket.send_data(message(event).decode())


async def _until_it_leaves(socket: AnySocket) -> None:
    try:
        while True:
            await socket.receive_data(mode="text")  # nothing that a client says counts
    except WebSocketDisconnect:
        return


def message(event: Event) -> bytes:
    """Return an event as a message; data of an `alive` is `{}`."""
    return _encode(Message(event.kind, event.id or None, msgspec.Raw(event.data or b"{}")))
