"""An HTTP server for those who push events: whole requests in, answers out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from granian.constants import Interfaces
from granian.server.embed import Server

from pipeline.errors import ConfigError

BODY_LIMIT: Final = 2 << 20
"""Bytes: GitHub's largest in practice, and ten times the others'."""
_PATIENCE: Final = 8 * BODY_LIMIT
"""Bytes of a longer body that are read and thrown away, so that its sender hears why it is refused."""
_STOP_S: Final = 2.0
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was received to its end."""

    method: str
    path: str
    target: str
    """Path and query as they were sent."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    content_type: str = _TEXT


Handler = Callable[[Request], Awaitable[Answer]]


@asynccontextmanager
async def serving(host: str, port: int, handler: Handler) -> AsyncIterator[None]:
    """
    Serve within the context.

    Raises:
        ConfigError: The port is taken.
    """
    logging.getLogger("_granian").setLevel(logging.ERROR)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await _respond(send, await _answered(scope, receive, handler))

    server = Server(app, address=host, port=port, interface=Interfaces.ASGI, log_enabled=False)
    task = asyncio.create_task(server.serve())
    try:
        await asyncio.sleep(0)
        yield
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({task}, timeout=_STOP_S)
        if task.done() and not task.cancelled() and isinstance(task.exception(), OSError | RuntimeError):
            raise ConfigError(f"cannot listen on {host}:{port}: {task.exception()}; choose another --port")


async def _answered(scope: Any, receive: Any, handler: Handler) -> Answer:
    body = await _body(receive)
    if body is None:
        return Answer(413, b"the body is too long\n")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    asked = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{asked}" if asked else "")
    return await handler(Request(scope["method"], scope["path"], target, query, headers, body))


async def _body(receive: Any) -> bytes | None:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size <= BODY_LIMIT:
            parts.append(part)
        elif size > _PATIENCE:
            break
    return b"".join(parts) if size <= BODY_LIMIT else None


async def _respond(send: Any, answer: Answer) -> None:
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
