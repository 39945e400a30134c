"""A TCP proxy with faults, in a thread of its own: what networks do, between two processes that know nothing of it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pipeline.local.ports import LOOPBACK
from tests.support.ports import free_port

T = TypeVar("T")

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset instead of what is left."""
REQUESTS: Final = "requests"
ANSWERS: Final = "answers"
"""The two directions: from the client, and to it."""


class Proxy:
    """
    Passes connections on to a port of this machine; a context manager.

    Faults last until `heal`. All methods may be called from any thread.
    """

    def __init__(self, target: int | None = None, port: int | None = None) -> None:
        """Take a port; connections go to `target`, which may be set later."""
        self.target = target
        self.port = port or free_port()
        self.connections = 0
        """Accepted so far."""
        self.broken = 0
        """Connections that were reset or refused by a fault."""
        self.passed = {REQUESTS: 0, ANSWERS: 0}
        """Bytes passed on in each direction."""
        self._delay_s = 0.0
        self._slice = _CHUNK
        self._is_down = False
        self._open: dict[str, asyncio.Event] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long."""
        self._delay_s = seconds

    def slice(self, size: int) -> None:
        """Pass on a few bytes at a time: nothing arrives in one piece."""
        self._slice = size

    def stall(self, *directions: str) -> None:
        """Pass nothing on, in one direction or both: connections are half open, and nobody is told."""
        for direction in directions or (REQUESTS, ANSWERS):
            self._loop.call_soon_threadsafe(self._open[direction].clear)

    def reset(self) -> None:
        """Break every connection with a reset; new ones are welcome."""
        self._call(self._reset())

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._is_down = True
        self.reset()

    def heal(self) -> None:
        """End every fault. What was stalled goes on."""
        self._delay_s, self._slice, self._is_down = 0.0, _CHUNK, False
        for event in self._open.values():
            self._loop.call_soon_threadsafe(event.set)

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self) -> None:
        for direction in (REQUESTS, ANSWERS):
            self._open[direction] = asyncio.Event()
            self._open[direction].set()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def _close(self) -> None:
        self._server.close()
        await self._reset()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _reset(self) -> None:
        for writer in list(self._writers):
            self.broken += 1
            _break(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._is_down:
            self.broken += 1
            _break(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            _break(writer)
            return
        self._writers.add(writer)
        try:
            # Cancelled when the proxy closes, which is nobody's error.
            with suppress(asyncio.CancelledError):
                await asyncio.gather(
                    self._pass_on(reader, to_writer, REQUESTS), self._pass_on(to_reader, writer, ANSWERS)
                )
        finally:
            self._writers.discard(writer)
            for each in (writer, to_writer):
                each.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                for start in range(0, len(data), self._slice):
                    await self._open[direction].wait()
                    writer.write(data[start : start + self._slice])
                    await writer.drain()
                self.passed[direction] += len(data)
        writer.close()


def _break(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
