"""What one subscriber gets, from the first event on: a snapshot or what it missed, then everything as it comes."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pipeline.lookup.hub import Hub
from pipeline.lookup.store import Position, ScoreStore
from pipeline.lookup.stream import Entry, order, reset
from pipeline.lookup.subscriber import Subscriber, Wish

HEARTBEAT_S: Final = 15.0
"""Proxies close what is silent for longer, often after 30 or 60 s."""
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One event for a client; an `alive` has no data, only the id from which to resume."""

    kind: str
    data: bytes
    id: str = ""
    """Empty for a document of a snapshot: it has no place in the stream."""


class _Head(msgspec.Struct, gc=False):
    user: str
    score: float
    version: int


_decode_head = msgspec.json.Decoder(_Head).decode


class Feed:
    """
    The events of one subscriber.

    Args:
        hub: The stream.
        wish: What of it is wanted.
        kind: How they are sent, for the metrics.
        store: Where a snapshot is read.
    """

    def __init__(self, hub: Hub, wish: Wish, kind: str, store: ScoreStore) -> None:
        self._hub = hub
        self._wish = wish
        self._kind = kind
        self._store = store

    async def events(self, *, after: str | None, snapshot: bool = False) -> AsyncGenerator[list[Event], None]:
        """
        Yield events, those that come together in one list, until the hub closes or Redis is away.

        `after` is the last id that the client has seen: everything behind it follows, or a reset.
        Without it, a `snapshot` sends the current documents first.
        """
        # Not earlier: a client that leaves before the first event would stay subscribed.
        subscriber = self._hub.subscribe(self._wish, self._kind)
        joined = subscriber.joined
        try:
            if after is not None:
                async for entries in self._missed(subscriber, after):
                    yield _events(entries)
            elif snapshot:
                async for documents in self._snapshot(subscriber):
                    yield documents
                yield [Event("ready", b"{}", joined)]
            else:
                yield [Event("alive", b"", joined)]
            async for events in self._live(subscriber):
                yield events
        finally:
            self._hub.unsubscribe(subscriber)

    async def _live(self, subscriber: Subscriber) -> AsyncIterator[list[Event]]:
        while True:
            position = self._hub.position
            entries = await subscriber.take(HEARTBEAT_S)
            if entries:
                yield _events(entries)
            elif subscriber.closed:
                return
            else:
                # A client that wants little would else resume from an id that is long trimmed.
                yield [Event("alive", b"", position)]

    async def _missed(self, subscriber: Subscriber, after: str) -> AsyncIterator[list[Entry]]:
        """Yield what stands behind `after`, up to where the hub's offers begin."""
        end = order(subscriber.joined)
        while True:
            page = await self._hub.stream.page(after)
            if page.lost:
                yield [reset(subscriber.joined, "trimmed")]
                return
            entries = [entry for entry in page.entries if order(entry.id) <= end]
            yield [entry for entry in entries if subscriber.passes(entry)]
            if len(entries) < len(page.entries) or not entries:
                return
            after = entries[-1].id

    async def _snapshot(self, subscriber: Subscriber) -> AsyncIterator[list[Event]]:
        users = self._wish.users
        if users is not None:
            wanted = sorted(users)
            for start in range(0, len(wanted), _PAGE):
                yield await self._documents(subscriber, wanted[start : start + _PAGE])
            return
        after: Position | None = None
        while page := await self._store.top(_PAGE, self._wish.network, after):
            yield await self._documents(subscriber, [entry.user for entry in page])
            after = Position(page[-1].score, page[-1].user)

    async def _documents(self, subscriber: Subscriber, users: Sequence[str]) -> list[Event]:
        """Return the documents of users, and see that no change that they hold already follows."""
        documents = [document for document in await self._store.get_many(users) if document is not None]
        # In this order: once everything up to `last` is offered, no change that a document holds comes later.
        last = await self._hub.stream.last()
        await self._hub.reached(last)
        for document in documents:
            head = _decode_head(document)
            subscriber.drop(head.user, head.version)
            subscriber.note_sent(head.user, head.score)
        return [Event("snapshot", document) for document in documents]


def _events(entries: Iterable[Entry]) -> list[Event]:
    return [Event(entry.kind, entry.data, entry.id) for entry in entries]
