"""
Decisions: what administrators said of accounts, as far as the fold must know it.

They come from outside of the partition's own topics, so the fold must not depend on when they arrive. Hence two rules:
what a forgotten user receives never counts; what a forgotten or blocked account does counts by its event time, before
the decision or after it. (Only an event that is folded in the moment between a decision and its arrival escapes.)
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.state.columns import Columns, EngagementColumns
from schemas import Forgotten, Override


class Decisions:
    """Who is forgotten, blocked or allowed since when (Unix ms): shared by all partitions of a process."""

    def __init__(self) -> None:
        self.forgotten: dict[str, int] = {}
        self.blocked: dict[str, int] = {}
        self.allowed: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any: most deployments have none, and pay nothing."""
        return bool(self.forgotten or self.blocked or self.allowed)

    def add(self, record: Forgotten | Override) -> None:
        """Take up a decision, instead of an earlier one of its sort."""
        if isinstance(record, Forgotten):
            self.forgotten[record.user] = record.time
            return
        self.take_back_override(record.user)
        (self.blocked if record.action == "block" else self.allowed)[record.user] = record.time

    def take_back_override(self, user: str) -> None:
        """Know of no override for a user."""
        self.blocked.pop(user, None)
        self.allowed.pop(user, None)

    def is_forgotten(self, columns: Columns, time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which events have the fate `forgotten`, bool[n]; times in Unix ms."""
        known = self.forgotten
        if not known:
            return np.zeros(len(time), np.bool_)
        gone = np.array([user in known for user in columns.users], np.bool_)
        if isinstance(columns, EngagementColumns):
            gone |= _since(known, columns.actors, time)
        return gone

    def is_forgotten_key(self, key: bytes | None) -> bool:
        """Tell whether a record's key is a forgotten user."""
        return key is not None and key.decode("utf-8", "replace") in self.forgotten

    def is_blocked(self, columns: EngagementColumns, time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which engagements count for nothing, bool[n]."""
        return _since(self.blocked, columns.actors, time)

    def is_hidden(self, columns: EngagementColumns) -> NDArray[np.bool_]:
        """Return which engagements leave no trace in the evidence, bool[n]: those of forgotten actors, of any time."""
        return np.array([actor in self.forgotten for actor in columns.actors], np.bool_)

    def trust(self, columns: EngagementColumns) -> None:
        """Take away the stamps that make an allowed actor look new or busy."""
        for i, actor in enumerate(columns.actors) if self.allowed else ():
            if actor in self.allowed:
                columns.nth[i] = columns.since[i] = None


def _since(decided: Mapping[str, int], users: list[str], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not decided:
        return np.zeros(len(time), np.bool_)
    far = 1 << 62
    return time >= np.array([decided.get(user, far) for user in users], np.int64)
