"""Events of a run in columns: what the fold needs of each record, in lists of equal length."""

from dataclasses import dataclass, field, fields
from typing import Self

import xxhash

from schemas import Engagement, Post, Profile, Tick


@dataclass(slots=True)
class Columns:
    """What all events have."""

    times: list[int] = field(default_factory=list)
    """Event times, Unix ms."""
    users: list[str] = field(default_factory=list)
    """Whom the row is of; empty for ticks, which have none."""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.times)

    def select(self, keep: list[int]) -> Self:
        """Return the events at some places."""
        columns = {}
        for each in fields(self):
            column = getattr(self, each.name)
            columns[each.name] = [column[i] for i in keep] if column else []
        return type(self)(**columns)


@dataclass(slots=True)
class EngagementColumns(Columns):
    """Engagements. Ids and actors are digested while their text is still in the processor's cache."""

    ids: list[bytes] = field(default_factory=list)
    actors: list[str] = field(default_factory=list)
    actor_digests: list[bytes] = field(default_factory=list)
    objects: list[str | None] = field(default_factory=list)
    tags: list[list[str] | None] = field(default_factory=list)
    undo: list[bool] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    nth: list[int | None] = field(default_factory=list)
    since: list[int | None] = field(default_factory=list)
    mutual: list[bool | None] = field(default_factory=list)

    def extend(self, events: list[Engagement]) -> None:
        """Add events, in their order."""
        actors = [e.actor for e in events]
        self.ids += map(xxhash.xxh3_128_digest, [e.id.encode() for e in events])
        self.actors += actors
        self.actor_digests += map(xxhash.xxh3_64_digest, [actor.encode() for actor in actors])
        self.users += [e.target for e in events]
        self.times += [e.time for e in events]
        self.objects += [e.object for e in events]
        self.tags += [e.tags for e in events]
        self.undo += [e.undo for e in events]
        self.scores += [e.actor_score for e in events]
        self.nth += [e.actor_nth for e in events]
        self.since += [e.actor_since for e in events]
        self.mutual += [e.mutual for e in events]


@dataclass(slots=True)
class PostColumns(Columns):
    """Posts."""

    ids: list[bytes] = field(default_factory=list)
    undo: list[bool] = field(default_factory=list)

    def extend(self, events: list[Post]) -> None:
        """Add events, in their order."""
        self.ids += map(xxhash.xxh3_128_digest, [e.id.encode() for e in events])
        self.users += [e.author for e in events]
        self.times += [e.time for e in events]
        self.undo += [e.undo for e in events]


@dataclass(slots=True)
class ProfileColumns(Columns):
    """Profiles."""

    profiles: list[Profile] = field(default_factory=list)

    def extend(self, events: list[Profile]) -> None:
        """Add events, in their order."""
        self.profiles += events
        self.users += [e.user for e in events]
        self.times += [e.time for e in events]


@dataclass(slots=True)
class TickColumns(Columns):
    """Ticks."""

    def extend(self, events: list[Tick]) -> None:
        """Add events, in their order."""
        self.times += [e.time for e in events]
