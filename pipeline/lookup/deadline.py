"""Deadlines that count while the event loop runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_LAST_S: Final = 0.1
"""Turns of the loop in which an answer that has come is read: far less than this."""


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """
    Do as `asyncio.timeout`, but let a loop that has stood still read what came meanwhile.

    A process that gets no processor for a second finds the deadline passed and the answer in the socket, both at once.
    So the last tenth of a second begins when the loop gets to it.

    Raises:
        TimeoutError: It took longer.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        last = loop.call_later(max(0.0, seconds - _LAST_S), lambda: timeout.reschedule(loop.time() + _LAST_S))
        try:
            yield
        finally:
            last.cancel()
