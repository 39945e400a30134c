"""What was published, by id: so that a deletion can withdraw it, and what is read twice is published the same."""

from typing import Final, Protocol, TypeAlias

import msgspec

from agents.bounded import trim
from schemas import Engagement, Post, Profile

Event: TypeAlias = Engagement | Post
"""A record that can be withdrawn."""

_LIMIT: Final = 200_000
"""Some 100 MB; at 200 events a second the last quarter of an hour, in which most withdrawals come."""


class Memory(Protocol):
    """Remembers what was published. The newest records, in a number that is bounded."""

    def remember(self, record: Event) -> Event:
        """
        Keep a record as it is about to be published, stamps included; returns the record to publish.

        Where the id is known that is the earlier one: a source that is read again must not give other stamps.
        """

    def take(self, record_id: str) -> Event | None:
        """Return the record of this id and forget it: an id names one occurrence, withdrawn once."""

    def complete(self, profile: Profile) -> Profile:
        """Return a profile with what is known of the user where it says nothing itself, and remember that."""

    def end_batch(self) -> None:
        """Mark the end of a batch of the source: it is about to be published."""

    def save(self, batches: int) -> None:
        """
        Make durable what was remembered; what was taken is forgotten for good once its batch is settled.

        Args:
            batches: How many batches, from the first on, the broker has acknowledged.
        """

    def close(self) -> None:
        """Keep nothing open."""


class RecentMemory:
    """The newest records, in this process."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._records: dict[str, Event] = {}
        self._profiles: dict[str, Profile] = {}

    def remember(self, record: Event) -> Event:
        """Keep a record; the oldest go when there are too many."""
        held = self._records.setdefault(record.id, record)
        if len(self._records) > self._limit:
            trim(self._records, self._limit)
        return held

    def take(self, record_id: str) -> Event | None:
        """Return the record of this id and forget it, or None where it is not known."""
        return self._records.pop(record_id, None)

    def complete(self, profile: Profile) -> Profile:
        """Fill in what is known of the user."""
        merged = self._profiles[profile.user] = merge(self._profiles.pop(profile.user, None), profile)
        trim(self._profiles, self._limit)
        return merged

    def end_batch(self) -> None:
        """Nothing depends on batches."""

    def save(self, batches: int) -> None:
        """Nothing is durable."""

    def close(self) -> None:
        """Nothing is open."""


def merge(held: Profile | None, profile: Profile) -> Profile:
    """Return `profile` with the fields of an older one where it has none itself."""
    if held is None:
        return profile
    known = {name: value for name in profile.__struct_fields__ if (value := getattr(held, name)) is not None}
    said = {name: value for name in profile.__struct_fields__ if (value := getattr(profile, name)) is not None}
    return msgspec.structs.replace(profile, **{**known, **said})
