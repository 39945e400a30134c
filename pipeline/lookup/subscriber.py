"""One subscriber of a stream: what it wants, and what waits for it."""

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pipeline.lookup.change import bucket_of
from pipeline.lookup.stream import Entry, order, reset

PENDING_LIMIT: Final = 4096
"""Subjects whose newest entry may wait for a slow client, some 1 MB: beyond, it gets a reset instead."""
_BASES_LIMIT: Final = 100_000
"""Users whose last sent score is remembered, for `min_delta`."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber wants."""

    users: frozenset[str] | None = None
    """None for everyone."""
    network: str | None = None
    min_delta: float = 0.0
    """The least difference to the score that was sent last."""
    crossings: bool = False
    """Only changes into another bucket than that of the score that was sent last."""

    @property
    def counts(self) -> bool:
        """Whether it matters what was sent last."""
        return self.min_delta > 0 or self.crossings


class Subscriber:
    """
    Holds what a client has not yet read: the newest entry of each subject, in the order of the stream.

    `offer` never waits, so that a slow client slows nobody.
    """

    def __init__(self, wish: Wish, joined: str, kind: str = "") -> None:
        self.wish = wish
        self.kind = kind
        self.joined = joined
        """The id of the stream from which on everything is offered."""
        self.closed = False
        self._pending: dict[str, Entry] = {}
        self._reset: Entry | None = None
        self._sent: dict[str, float] = {}
        self._arrived = asyncio.Event()

    def offer(self, entry: Entry) -> None:
        """Take an entry that follows all those offered before."""
        if entry.kind == "reset":
            self._start_over(entry)
        elif entry.subject in self._pending or self._wants(entry):
            # A score that returned to what was sent must replace the one that waits: `take` then drops it.
            # Last in the order again: a client that resumes by id has then seen all before it.
            self._pending.pop(entry.subject, None)
            self._pending[entry.subject] = entry
            if len(self._pending) > PENDING_LIMIT:
                self._start_over(reset(entry.id, "too slow"))
        else:
            return
        self._arrived.set()

    def drop(self, user: str, version: int) -> None:
        """Forget what waits of a user when it is not newer than `version`, which the client has."""
        entry = self._pending.get(user)
        if entry is not None and entry.change is not None and entry.change.version <= version:
            del self._pending[user]

    def note_sent(self, user: str, score: float) -> None:
        """Remember a score that the client has from elsewhere."""
        if self.wish.counts:
            self._remember(user, score)

    def close(self) -> None:
        """End the subscription: `take` returns at once."""
        self.closed = True
        self._arrived.set()

    async def take(self, wait_s: float, limit: int = 500) -> list[Entry]:
        """Return up to `limit` entries, oldest first, waiting for the first; empty after `wait_s` or when closed."""
        try:
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()
        except TimeoutError:
            return []
        taken = self._take_now(limit)
        if not self._pending and not self.closed:
            self._arrived.clear()
        return taken

    def passes(self, entry: Entry) -> bool:
        """Tell whether an entry is to be sent now, and remember that it was."""
        if entry.kind == "reset":
            self._sent.clear()
            return True
        if not self._wants(entry):
            return False
        if entry.change is not None and self.wish.counts:
            self._remember(entry.user, entry.change.score)
        return True

    def _take_now(self, limit: int) -> list[Entry]:
        taken = []
        if self._reset is not None:
            taken.append(self._reset)
            self._reset = None
        for subject in list(islice(self._pending, limit)):
            entry = self._pending.pop(subject)
            if self.passes(entry):
                taken.append(entry)
        return taken

    def _start_over(self, entry: Entry) -> None:
        self._pending.clear()
        self._sent.clear()
        self._reset = entry

    def _wants(self, entry: Entry) -> bool:
        wish = self.wish
        if wish.users is not None and entry.user not in wish.users:
            return False
        # Who is gone has no networks any more.
        if wish.network is not None and entry.kind != "gone" and wish.network not in entry.networks:
            return False
        change = entry.change
        if change is None or not wish.counts:
            return True
        base = self._sent.get(entry.user)
        if base is None:
            if change.previous is None:
                return True
            base = change.previous
            self._remember(entry.user, base)
        if wish.crossings and bucket_of(base) == change.bucket:
            return False
        # Scores have two decimals: a difference of exactly min_delta must not fail by a rounding error.
        return abs(change.score - base) >= wish.min_delta - 1e-9

    def _remember(self, user: str, score: float) -> None:
        self._sent.pop(user, None)
        self._sent[user] = score
        if len(self._sent) > _BASES_LIMIT:
            del self._sent[next(iter(self._sent))]


def is_behind(entry_id: str, other: str) -> bool:
    """Tell whether an id stands before another in the stream."""
    return order(entry_id) < order(other)
