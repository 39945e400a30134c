"""
What uvloop does otherwise than asyncio, put right for aiokafka.

A write to a connection that the other side has just reset is an error of that connection, and every client tries again.
asyncio drops such a write and then ends the connection; uvloop raises a bare RuntimeError, which aiokafka 0.14.0 takes
for a bug: its fetch routine dies, or the worker does. That version is pinned.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def _send_or_tell(self: Any, request: Any, expect_response: bool = True) -> Any:
    try:
        return _send(self, request, expect_response)
    except RuntimeError as exc:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {exc}") from exc


def tell_of_broken_connections() -> None:
    """Let every aiokafka client of this process hear of a reset connection as of any other that broke."""
    AIOKafkaConnection.send = _send_or_tell
