"""An SMTP server that keeps what it is sent."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Mailbox:
    """The messages, as they came."""

    port: int = 0
    messages: list[str] = field(default_factory=list)


async def _converse(box: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mailbox\r\n")
    while line := await reader.readline():
        verb = line.split()[0].upper() if line.split() else b""
        if verb == b"DATA":
            writer.write(b"354 go on\r\n")
            text = await reader.readuntil(b"\r\n.\r\n")
            box.messages.append(text.decode())
        writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 mailbox\r\n")
        await writer.drain()
        if verb == b"QUIT":
            break
    writer.close()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run a mailbox within the context."""
    box, loop = Mailbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda reader, writer: _converse(box, reader, writer), "127.0.0.1", 0)
    )
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
