"""What one subscriber gets, from the first byte on: a snapshot or what it missed, then changes as they come."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import msgspec

from pipeline.lookup.changes import Entry, order, reset
from pipeline.lookup.hub import Hub
from pipeline.lookup.store import Position, ScoreStore
from pipeline.lookup.subscriber import Subscriber, Wish

HEARTBEAT_S: Final = 15.0
"""Proxies close what is silent for longer, often after 30 or 60 s."""
_RETRY_MS: Final = 2000
_PAGE: Final = 200


class _Head(msgspec.Struct, gc=False):
    user: str
    score: float
    version: int


_decode_head = msgspec.json.Decoder(_Head).decode


class Feed:
    """Writes the events of one subscriber as Server-Sent Events."""

    def __init__(self, hub: Hub, store: ScoreStore, wish: Wish) -> None:
        self._hub = hub
        self._store = store
        self._wish = wish

    async def frames(self, *, after: str | None, snapshot: bool) -> AsyncIterator[bytes]:
        """
        Yield frames until the hub closes or Redis is away.

        `after` is the last id that the client has seen: everything behind it follows, or a reset.
        Without it, a `snapshot` sends the current documents first.
        """
        # Not earlier: a client that leaves before the first frame would stay subscribed.
        subscriber = self._hub.subscribe(self._wish)
        joined = subscriber.joined
        try:
            yield b"retry: %d\n\n" % _RETRY_MS
            if after is not None:
                async for entries in self._missed(subscriber, after):
                    yield _frames(entries)
            elif snapshot:
                async for frame in self._snapshot(subscriber):
                    yield frame
                yield _event("ready", b"{}", joined)
            else:
                yield _position(joined)
            async for frame in self._live(subscriber):
                yield frame
        finally:
            self._hub.unsubscribe(subscriber)

    async def _live(self, subscriber: Subscriber) -> AsyncIterator[bytes]:
        while True:
            position = self._hub.position
            entries = await subscriber.take(HEARTBEAT_S)
            if entries:
                yield _frames(entries)
            elif subscriber.closed:
                return
            else:
                # A client that wants little would else resume from an id that is long trimmed.
                yield b": alive\n" + _position(position)

    async def _missed(self, subscriber: Subscriber, after: str) -> AsyncIterator[list[Entry]]:
        """Yield what stands behind `after`, up to where the hub's offers begin."""
        end = order(subscriber.joined)
        while True:
            page = await self._hub.changes.page(after)
            if page.lost:
                yield [reset(subscriber.joined, "trimmed")]
                return
            entries = [entry for entry in page.entries if order(entry.id) <= end]
            yield [entry for entry in entries if subscriber.passes(entry)]
            if len(entries) < len(page.entries) or not entries:
                return
            after = entries[-1].id

    async def _snapshot(self, subscriber: Subscriber) -> AsyncIterator[bytes]:
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

    async def _documents(self, subscriber: Subscriber, users: Sequence[str]) -> bytes:
        """Return the documents of users, and see that no change that they hold already follows."""
        documents = [document for document in await self._store.get_many(users) if document is not None]
        # In this order: once everything up to `last` is offered, no change that a document holds comes later.
        last = await self._hub.changes.last()
        await self._hub.reached(last)
        for document in documents:
            head = _decode_head(document)
            subscriber.drop(head.user, head.version)
            subscriber.note_sent(head.user, head.score)
        return b"".join(_event("snapshot", document) for document in documents)


def _frames(entries: Iterable[Entry]) -> bytes:
    return b"".join(_event(entry.kind, entry.data, entry.id) for entry in entries)


def _event(kind: str, data: bytes, entry_id: str = "") -> bytes:
    lines = f"event: {kind}\n".encode() if not entry_id else f"id: {entry_id}\nevent: {kind}\n".encode()
    return lines + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"


def _position(entry_id: str) -> bytes:
    return f"id: {entry_id}\n\n".encode()
