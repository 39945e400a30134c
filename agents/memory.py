"""What was published, by id: so that a deletion can withdraw it."""

from typing import Final, Protocol

from agents.bounded import trim
from schemas import Engagement, Post

_LIMIT: Final = 200_000
"""Some 100 MB; at 200 events a second the last quarter of an hour, in which most withdrawals come."""


class Memory(Protocol):
    """Remembers what was published. A persistent store can take the place of the one below."""

    def remember(self, record: Engagement | Post) -> None:
        """Keep a record as it was published, stamps included."""

    def take(self, record_id: str) -> Engagement | Post | None:
        """Return the record of this id and forget it: an id names one occurrence, withdrawn once."""


class RecentMemory:
    """The newest records, in this process."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._records: dict[str, Engagement | Post] = {}

    def remember(self, record: Engagement | Post) -> None:
        """Keep a record; the oldest go when there are too many."""
        self._records[record.id] = record
        if len(self._records) > self._limit:
            trim(self._records, self._limit)

    def take(self, record_id: str) -> Engagement | Post | None:
        """Return the record of this id and forget it, or None where it is not known."""
        return self._records.pop(record_id, None)
