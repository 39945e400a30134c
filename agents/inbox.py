"""What has arrived and was not yet read: a bounded queue that is emptied in batches."""

import asyncio
from collections.abc import Sized
from contextlib import suppress
from typing import Final, Generic, TypeVar

S = TypeVar("S", bound=Sized)

_LINGER_S: Final = 0.02
"""How long the first of a batch waits for company: a batch costs a round trip to Redis."""
_MOST: Final = 4096
_BYTES: Final = 16 << 20
"""Whichever is reached first holds the sender back."""


class Inbox(Generic[S]):
    """Filled by one task and emptied by another; whoever fills it waits while it is full."""

    def __init__(self) -> None:
        self._items: list[S] = []
        self._size = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._full = asyncio.Event()
        self._end: Exception | None = None

    def end(self, reason: Exception) -> None:
        """Say that nothing more will come; whoever takes is told after the last item."""
        self._end = reason
        self._filled.set()
        self._full.set()

    async def put(self, item: S) -> None:
        """Append an item; waits for room."""
        while len(self._items) >= _MOST or self._size >= _BYTES:
            self._full.set()
            self._emptied.clear()
            await self._emptied.wait()
        self._items.append(item)
        self._size += len(item)
        self._filled.set()

    async def take(self) -> list[S]:
        """
        Return all that is there, in order; waits for the first, and a little for others.

        Raises:
            Exception: What `end` was given, once everything was taken.
        """
        await self._filled.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), _LINGER_S)
        items, self._items, self._size = self._items, [], 0
        if self._end is None:
            self._filled.clear()
            self._full.clear()
        elif not items:
            raise self._end
        self._emptied.set()
        return items
