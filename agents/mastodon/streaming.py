"""Mastodon's streaming API (docs.joinmastodon.org/methods/streaming), by WebSocket or by server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Literal

import httpx
import msgspec

from agents import sse, websocket
from agents.mastodon.entities import Event, Instance
from pipeline.errors import AccessRefusedError, SourceUnavailableError
from pipeline.logs import get_logger

Transport = Literal["auto", "websocket", "sse"]

_SILENCE_S: Final = 90.0
"""The server sends a heartbeat long before."""
_STREAMS: Final = ("user", "public")

log = get_logger(__name__)
_instance = msgspec.json.Decoder(Instance).decode


@asynccontextmanager
async def listening(
    api: httpx.AsyncClient, server: str, transport: Transport, *, hint: str
) -> AsyncIterator[AsyncGenerator[Sequence[bytes | str]]]:
    """
    Open the streams of the account and of the public; within the context what is said is in them.

    Messages are JSON, `{"event", "payload"}`, by either way; an empty one keeps the connection alive.

    Args:
        api: Asks the server, with the token.
        server: https://host
        transport: auto is WebSocket, and server-sent events where that fails: proxies may let only those through.
        hint: What to do when the token is refused.

    Raises:
        SourceUnavailableError: The server does not answer.
        AccessRefusedError: It refuses the token.
    """
    # Both ways have a scheme of their own.
    host = (await _streaming(api, server)).replace("wss://", "https://", 1).replace("ws://", "http://", 1)
    async with AsyncExitStack() as stack:
        yield await _arriving(api, host, transport, hint, stack)


async def _arriving(
    api: httpx.AsyncClient, host: str, transport: Transport, hint: str, stack: AsyncExitStack
) -> AsyncGenerator[Sequence[bytes | str]]:
    if transport == "sse":
        return await _by_events(api, host, hint, stack)
    try:
        return await _by_socket(api, host, hint, stack)
    except AccessRefusedError:
        raise
    except SourceUnavailableError as exc:
        if transport != "auto":
            raise
        log.info("no WebSocket there: listening by server-sent events", reason=str(exc))
        return await _by_events(api, host, hint, stack)


async def _by_socket(
    api: httpx.AsyncClient, host: str, hint: str, stack: AsyncExitStack
) -> AsyncGenerator[Sequence[bytes | str]]:
    url = f"{host.replace('http', 'ws', 1)}/api/v1/streaming"
    headers = {"Authorization": api.headers["Authorization"]}
    socket = await stack.enter_async_context(websocket.opened(url, headers=headers, hint=hint))
    for stream in _STREAMS:
        await socket.send(msgspec.json.encode({"type": "subscribe", "stream": stream}).decode())
    return websocket.messages(socket, _SILENCE_S)


async def _by_events(
    api: httpx.AsyncClient, host: str, hint: str, stack: AsyncExitStack
) -> AsyncGenerator[Sequence[bytes | str]]:
    urls = [f"{host}/api/v1/streaming/{stream}" for stream in _STREAMS]
    streams = await stack.enter_async_context(sse.subscribed(api, urls, hint=hint))
    return sse.messages(streams, lambda name, data: msgspec.json.encode(Event(name, data)), _SILENCE_S)


async def _streaming(api: httpx.AsyncClient, server: str) -> str:
    """Return where a server says that its streams are; large ones have a host of their own for them."""
    try:
        answer = await api.get("/api/v2/instance")
        return _instance(answer.content).configuration.urls.streaming.rstrip("/") or server
    except httpx.HTTPError as exc:
        raise SourceUnavailableError(f"{server}: {str(exc) or type(exc).__name__}") from exc
    except (msgspec.MsgspecError, UnicodeError):
        return server
