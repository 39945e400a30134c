"""A WebSocket as a source: its messages in batches, and its failures as errors of this project."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from agents.inbox import Inbox
from agents.pumped import pumped
from pipeline.errors import AccessRefusedError, ConfigError, SourceUnavailableError

_OPEN_S: Final = 10.0
_LARGEST: Final = 8 << 20
"""A longer message ends the connection; servers are asked for far shorter ones where they can be."""
_REFUSALS: Final = {401, 403}


@asynccontextmanager
async def opened(url: str, *, headers: Mapping[str, str] | None = None, hint: str) -> AsyncIterator[ClientConnection]:
    """
    Connect to a server.

    Args:
        url: ws:// or wss://
        headers: Sent with the handshake.
        hint: What to do when the server refuses this client.

    Raises:
        SourceUnavailableError: It does not answer, or ends the connection.
        AccessRefusedError: It answers 401 or 403.
        ConfigError: The address is none.
    """
    try:
        async with connect(
            url, additional_headers=headers, open_timeout=_OPEN_S, close_timeout=1, max_size=_LARGEST
        ) as socket:
            yield socket
    except InvalidStatus as exc:
        status, reason = exc.response.status_code, (exc.response.body or b"")[:200].decode(errors="replace").strip()
        problem = f"{_named(url)} answers {status} {reason}".strip()
        if status in _REFUSALS:
            raise AccessRefusedError(f"{problem}: {hint}") from exc
        raise SourceUnavailableError(problem) from exc
    except InvalidURI as exc:
        raise ConfigError(f"{url} is no address of a WebSocket: give ws:// or wss://") from exc
    except (WebSocketException, InvalidHandshake, OSError, TimeoutError) as exc:
        raise SourceUnavailableError(f"{_named(url)}: {str(exc) or type(exc).__name__}") from exc


async def messages(socket: ClientConnection, silence_s: float) -> AsyncGenerator[list[bytes | str]]:
    """
    Yield what arrives, in batches.

    Raises:
        SourceUnavailableError: Nothing has arrived for `silence_s`, or the server has ended the connection.
    """
    inbox: Inbox[bytes | str] = Inbox()
    async with aclosing(pumped(inbox, [_pump(socket, inbox)], silence_s)) as arriving:
        async for arrived in arriving:
            yield arrived


async def _pump(socket: ClientConnection, inbox: Inbox[bytes | str]) -> None:
    try:
        async for message in socket:
            await inbox.put(message)
        inbox.end(SourceUnavailableError("the server has ended the connection"))
    except WebSocketException as exc:
        inbox.end(SourceUnavailableError(f"the connection broke: {exc}"))


def _named(url: str) -> str:
    # Without the query: it may hold a token, and a cursor is of no interest.
    return url.partition("?")[0]
