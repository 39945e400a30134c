"""
Decisions: what administrators said of accounts, as far as the fold must know it.

They come from outside of the partition's own topics, so the fold must not depend on when they arrive. Hence two rules:
what a forgotten user receives never counts; what a forgotten or blocked account does counts by its event time, before
the decision or after it. (Only an event that is folded in the moment between a decision and its arrival escapes.)
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.state.xxh64 import digest_of_id
from schemas import Forgotten, Override


class Decided:
    """Accounts of which something was decided, and when (Unix ms)."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        """By user. Changed by `add` and `remove` alone."""
        self._is_sorted = True
        self._digests = np.zeros(0, np.uint64)
        self._since = np.zeros(0, np.int64)

    def __bool__(self) -> bool:
        """Tell whether there are any: most deployments have none, and pay nothing."""
        return bool(self.times)

    def __contains__(self, user: object) -> bool:
        """Tell whether it was decided of a user."""
        return user in self.times

    def add(self, user: str, time: int) -> None:
        """Take up a decision, instead of an earlier one."""
        self.times[user] = time
        self._is_sorted = False

    def remove(self, user: str) -> None:
        """Take a decision back, if there is one."""
        self._is_sorted &= self.times.pop(user, None) is None

    def _sort(self) -> None:
        digests = np.array([digest_of_id(user) for user in self.times], np.uint64)
        order = np.argsort(digests)
        self._digests, self._since = digests[order], np.array(list(self.times.values()), np.int64)[order]
        self._is_sorted = True

    def since(self, digests: NDArray[np.uint64], time: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Return of whom it was decided, bool[n]; with event times (Unix ms), only of events after the decision."""
        if not self.times:
            return np.zeros(len(digests), np.bool_)
        if not self._is_sorted:
            self._sort()
        at = np.minimum(np.searchsorted(self._digests, digests), len(self._digests) - 1)
        known: NDArray[np.bool_] = self._digests[at] == digests
        return known if time is None else known & (time >= self._since[at])


class Decisions:
    """Who is forgotten, blocked or allowed: shared by all partitions of a process."""

    def __init__(self) -> None:
        self.forgotten = Decided()
        self.blocked = Decided()
        self.allowed = Decided()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.forgotten or self.blocked or self.allowed)

    def add(self, record: Forgotten | Override) -> None:
        """Take up a decision, instead of an earlier one of its sort."""
        if isinstance(record, Forgotten):
            self.forgotten.add(record.user, record.time)
            return
        self.take_back_override(record.user)
        (self.blocked if record.action == "block" else self.allowed).add(record.user, record.time)

    def take_back_override(self, user: str) -> None:
        """Know of no override for a user."""
        self.blocked.remove(user)
        self.allowed.remove(user)

    def is_forgotten(
        self, users: NDArray[np.uint64], actors: NDArray[np.uint64] | None, time: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which events have the fate `forgotten`, bool[n]: by the digests of ids, and times in Unix ms."""
        gone = self.forgotten.since(users)
        return gone if actors is None else gone | self.forgotten.since(actors, time)

    def is_forgotten_key(self, key: bytes | None) -> bool:
        """Tell whether a record's key is a forgotten user."""
        return key is not None and key.decode("utf-8", "replace") in self.forgotten

    def is_blocked(self, actors: NDArray[np.uint64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which engagements count for nothing, bool[n]."""
        return self.blocked.since(actors, time)

    def is_hidden(self, actors: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which engagements leave no trace in the evidence, bool[n]: those of forgotten actors, of any time."""
        return self.forgotten.since(actors)

    def trust(self, events: NDArray[np.void]) -> None:
        """Take away the stamps that make an allowed actor look new or busy, [n] `SCANNED`."""
        if self.allowed:
            allowed = self.allowed.since(events["actor"])
            events["nth"][allowed] = events["since"][allowed] = -1
