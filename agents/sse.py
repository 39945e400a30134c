"""
Server-sent events as a source (html.spec.whatwg.org, 9.2), as far as networks use them.

Streams of one server are read together; a comment, which keeps a connection alive, arrives as an empty message.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Final

import httpx

from agents.inbox import Inbox
from agents.pumped import pumped
from pipeline.errors import AccessRefusedError, SourceUnavailableError

_REFUSALS: Final = {401, 403}
_LONGEST: Final = 8 << 20
"""Bytes of one event: a longer one ends the connection."""

Encode = Callable[[str, str], bytes]
"""From an event's name and data to a message."""


@asynccontextmanager
async def subscribed(
    client: httpx.AsyncClient, urls: Sequence[str], *, hint: str
) -> AsyncIterator[Sequence[httpx.Response]]:
    """
    Open streams.

    Args:
        client: With the headers that the server wants.
        urls: One for each stream.
        hint: What to do when the server refuses this client.

    Raises:
        SourceUnavailableError: It does not answer, or not with events.
        AccessRefusedError: It answers 401 or 403.
    """
    try:
        async with AsyncExitStack() as stack:
            yield [await _opened(client, url, hint, stack) for url in urls]
    except httpx.HTTPError as exc:
        raise SourceUnavailableError(f"{urls[0]}: {str(exc) or type(exc).__name__}") from exc


async def messages(streams: Sequence[httpx.Response], encode: Encode, silence_s: float) -> AsyncGenerator[list[bytes]]:
    """
    Yield what arrives by any of the streams, in batches.

    Raises:
        SourceUnavailableError: Nothing has arrived for `silence_s`, or the server has ended a connection.
    """
    inbox: Inbox[bytes] = Inbox()
    pumps = [_pump(stream, encode, inbox) for stream in streams]
    async with aclosing(pumped(inbox, pumps, silence_s)) as arriving:
        async for arrived in arriving:
            yield arrived


async def _opened(client: httpx.AsyncClient, url: str, hint: str, stack: AsyncExitStack) -> httpx.Response:
    headers = {"Accept": "text/event-stream"}
    # Between two events may be any time; the silence of all streams together is watched elsewhere.
    timeout = httpx.Timeout(client.timeout.connect, read=None)
    answer = await stack.enter_async_context(client.stream("GET", url, headers=headers, timeout=timeout))
    problem = f"{url} answers {answer.status_code}"
    if answer.status_code in _REFUSALS:
        raise AccessRefusedError(f"{problem}: {hint}")
    if answer.status_code != httpx.codes.OK or "text/event-stream" not in answer.headers.get("content-type", ""):
        raise SourceUnavailableError(f"{problem}, and no events")
    return answer


async def _pump(stream: httpx.Response, encode: Encode, inbox: Inbox[bytes]) -> None:
    try:
        async for message in _parsed(stream, encode):
            await inbox.put(message)
        inbox.end(SourceUnavailableError("the server has ended the connection"))
    except (httpx.HTTPError, SourceUnavailableError) as exc:
        inbox.end(SourceUnavailableError(f"the connection broke: {str(exc) or type(exc).__name__}"))


async def _parsed(stream: httpx.Response, encode: Encode) -> AsyncIterator[bytes]:
    name, data, size = "", list[str](), 0
    async for line in _lines(stream):
        field, _, value = line.partition(":")
        if line.startswith(":"):
            yield b""
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))
            size += len(value)
        elif not line and data:
            yield encode(name, "\n".join(data))
            name, data, size = "", [], 0
        if size > _LONGEST:
            raise SourceUnavailableError("an event is too long")


async def _lines(stream: httpx.Response) -> AsyncIterator[str]:
    """Yield lines; unlike httpx's own, a line ends only where the standard says, and has an end to its length."""
    rest = b""
    async for part in stream.aiter_bytes():
        *lines, rest = (rest + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        if len(rest) > _LONGEST:
            raise SourceUnavailableError("a line is too long")
