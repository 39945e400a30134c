"""A web server for probes and Prometheus alone: health, readiness, metrics of a role without an API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import generate_latest

from pipeline.errors import ConfigError

_REQUEST_LIMIT_S: Final = 5.0
_TEXT: Final = "text/plain; charset=utf-8"


@asynccontextmanager
async def serve_probes(host: str, port: int, is_ready: Callable[[], bool]) -> AsyncIterator[int]:
    """
    Serve `/healthz`, `/readyz` and `/metrics` within the context and give the port.

    Raises:
        ConfigError: The port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(request, is_ready))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, host, port)
    except OSError as exc:
        raise ConfigError(f"port {port} of {host} is taken: end what listens there, or choose another port") from exc
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # Not wait_closed(): a client that holds its connection open must not hold up the end.
        server.close()


def _response(request: bytes, is_ready: Callable[[], bool]) -> bytes:
    method, _, rest = request.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in {b"GET", b"HEAD"}:
        return _http("405 Method Not Allowed", b"only GET\n")
    if path == b"/metrics":
        return _http("200 OK", generate_latest(), "text/plain; version=0.0.4; charset=utf-8")
    if path == b"/healthz":
        return _http("200 OK", b"alive\n")
    if path == b"/readyz":
        return _http("200 OK", b"ready\n") if is_ready() else _http("503 Service Unavailable", b"not ready\n")
    return _http("404 Not Found", b"try /healthz, /readyz or /metrics\n")


def _http(status: str, body: bytes, content_type: str = _TEXT) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
