"""Look-ups of many clients at the same moment, in one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

_LIMIT: Final = 500
"""Keys in one call: more would keep Redis from other readers."""


class Batcher:
    """Gathers the keys that are asked for within one turn of the event loop and reads them together."""

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[list[bytes | None]]]) -> None:
        self._read = read
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}
        self._reads: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key; raises whatever the read of its batch raises."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._flush)
            future = self._waiting[key] = loop.create_future()
        # A client that goes away must not take the answer from others who asked for the same.
        return await asyncio.shield(future)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        names = list(waiting)
        for start in range(0, len(names), _LIMIT):
            part = names[start : start + _LIMIT]
            task = asyncio.create_task(self._answer(part, [waiting[name] for name in part]))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _answer(self, names: list[str], futures: list[asyncio.Future[bytes | None]]) -> None:
        try:
            values = await self._read(names)
        except Exception as exc:  # noqa: BLE001 - told to everyone who waits
            for future in futures:
                future.set_exception(exc)
                future.exception()  # seen, even when the client who asked has left
            return
        for future, value in zip(futures, values, strict=True):
            future.set_result(value)
