"""A hub: the one reader of a stream in this process, and everyone who listens to it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pipeline.errors import StoreUnavailableError
from pipeline.logs import get_logger
from pipeline.lookup.connection import AWAY
from pipeline.lookup.stream import PAGE, Entry, Stream, reset
from pipeline.lookup.subscriber import Subscriber, Wish, is_behind
from pipeline.metrics import STREAM_CLIENTS

log = get_logger(__name__)

_WAIT_MS: Final = 500
_RETRY_S: Final = 0.5
_START_S: Final = 0.5
_CURRENT_S: Final = 0.9
"""A read that finds nothing returns within half a second: a longer silence means that Redis hangs."""


class Hub:
    """
    Reads a stream once and offers each entry to the subscribers who want it.

    Args:
        stream: What is read.
        note: Is told of each entry before any subscriber is.
        lose: Is told when reading begins and when it fails: entries before may have been missed.
    """

    def __init__(
        self, stream: Stream, note: Callable[[Entry], None] | None = None, lose: Callable[[], None] | None = None
    ) -> None:
        self.stream = stream
        self._note = note
        self._lose = lose
        self._current_at = 0.0
        self._last: str | None = None
        self._everyone: set[Subscriber] = set()
        self._by_user: dict[str, set[Subscriber]] = {}
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to read, in the background; Redis may be away."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End every subscription and stop reading."""
        self._is_closed = True
        for subscriber in self._subscribers():
            subscriber.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def position(self) -> str:
        """
        The id up to which everything was offered.

        Raises:
            StoreUnavailableError: The stream could not be read yet.
        """
        if self._last is None:
            raise StoreUnavailableError("the stream cannot be read: Redis does not answer")
        return self._last

    @property
    def is_current(self) -> bool:
        """Whether everything was offered, but for the delay of the stream."""
        return time.monotonic() - self._current_at < _CURRENT_S

    async def started(self) -> None:
        """
        Wait a moment for the first look at the stream.

        Raises:
            StoreUnavailableError: It could not be read yet.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                while self._last is None:
                    self._moved.clear()
                    await self._moved.wait()
        _ = self.position

    def subscribe(self, wish: Wish, kind: str) -> Subscriber:
        """
        Add a subscriber, who is offered everything behind its `joined`; `kind` is for the metrics.

        Raises:
            StoreUnavailableError: The stream could not be read yet.
        """
        subscriber = Subscriber(wish, self.position, kind)
        if self._is_closed:
            subscriber.close()
        if wish.users is None:
            self._everyone.add(subscriber)
        for user in wish.users or ():
            self._by_user.setdefault(user, set()).add(subscriber)
        STREAM_CLIENTS.labels(kind).inc()
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        self._everyone.discard(subscriber)
        for user in subscriber.wish.users or ():
            others = self._by_user.get(user, set())
            others.discard(subscriber)
            if not others:
                self._by_user.pop(user, None)
        STREAM_CLIENTS.labels(subscriber.kind).dec()

    async def reached(self, entry_id: str) -> None:
        """Wait until everything up to an id was offered."""
        while is_behind(self.position, entry_id) and not self._is_closed:
            self._moved.clear()
            await self._moved.wait()

    async def _run(self) -> None:
        # Not for ever: under load a cancellation was seen to get lost inside a blocking read.
        while not self._is_closed:
            try:
                await self._follow()
            except AWAY as exc:
                log.warning("a stream cannot be read: trying again", reason=str(exc))
                self._current_at = 0.0
                self._tell_lost()
                await asyncio.sleep(_RETRY_S)

    def _tell_lost(self) -> None:
        if self._lose is not None:
            self._lose()

    async def _follow(self) -> None:
        if self._last is None:
            self._advance(await self.stream.last())
            self._tell_lost()
        # After a pause or a full page entries may be lost to trimming: then read in a way that tells.
        behind = True
        while not self._is_closed:
            if behind:
                entries = await self._catch_up(self.position)
            else:
                entries = await self.stream.wait(self.position, _WAIT_MS)
            for entry in entries:
                self._offer(entry)
            if entries:
                self._advance(entries[-1].id)
            behind = len(entries) == PAGE
            if not behind:
                self._current_at = time.monotonic()
            else:
                # Let the subscribers send before the next page is offered.
                await asyncio.sleep(0)

    async def _catch_up(self, last: str) -> list[Entry]:
        page = await self.stream.page(last)
        if not page.lost:
            return page.entries
        log.warning("entries were lost: subscribers are told to start over", after=last)
        self._last = page.last
        return [reset(page.last, "trimmed")]

    def _advance(self, entry_id: str) -> None:
        self._last = entry_id
        self._moved.set()

    def _offer(self, entry: Entry) -> None:
        if self._note is not None:
            self._note(entry)
        if entry.kind == "reset":
            for subscriber in self._subscribers():
                subscriber.offer(entry)
            return
        for subscriber in self._everyone:
            subscriber.offer(entry)
        for subscriber in self._by_user.get(entry.user, ()):
            subscriber.offer(entry)

    def _subscribers(self) -> set[Subscriber]:
        return self._everyone.union(*self._by_user.values())
