"""
What aiokafka 0.14.0 does wrong, put right for every client of this process. That version is pinned.

A write to a connection that the other side has just reset is an error of that connection, and every client tries again.
asyncio drops such a write and then ends the connection; uvloop raises a bare RuntimeError, which aiokafka takes for a
bug: its fetch routine dies, or the worker does.

A consumer that is stopped just after its assignment changed waits for ever: its fetch routine is then waiting for
requests that it has cancelled, takes its own cancellation for theirs, and goes on.
"""

import asyncio
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaConnectionError

_AGAIN_S: Final = 0.1
"""How long the fetch routine is given to end before it is told once more."""

_send = AIOKafkaConnection.send
_close = Fetcher.close


def _send_or_tell(self: Any, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send(self, request, expect_response)
    except RuntimeError as exc:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {exc}") from exc


async def _close_for_good(self: Any) -> None:
    self._closed = True
    while not self._fetch_task.done():
        self._fetch_task.cancel()
        await asyncio.wait([self._fetch_task], timeout=_AGAIN_S)
    await _close(self)


def mend_clients() -> None:
    """Let every client hear of a reset connection as of any other that broke, and every consumer stop."""
    AIOKafkaConnection.send = _send_or_tell
    Fetcher.close = _close_for_good
