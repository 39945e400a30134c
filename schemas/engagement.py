"""One engagement: a like, share, comment or follow that an actor gave a target."""

from typing import Annotated, Literal

import msgspec

Kind = Literal["like", "share", "comment", "follow"]

KINDS: tuple[Kind, ...] = ("like", "share", "comment", "follow")
"""Every kind, in the order of all columns that are indexed by kind."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
"""An id on the wire: 1 to 512 characters."""

Time = Annotated[int, msgspec.Meta(ge=0)]
"""A moment: Unix milliseconds, UTC."""

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Engagement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """
    A record of `clout.likes`, `clout.shares`, `clout.comments` or `clout.follows`.

    The Kafka key is `target`.
    The dedupe key is (`id`, `undo`): an undo repeats the id of what it withdraws.
    The stamps tell the fold what it must know about the actor without a look-up.
    """

    id: Id
    kind: Kind
    network: Id
    actor: Id
    target: Id
    time: Time
    object: Id | None = None
    undo: bool = False
    tags: Annotated[list[Tag], msgspec.Meta(max_length=64)] | None = None
    actor_score: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    """Stamp: the actor's score when the event was published."""
    actor_nth: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Stamp: how many actions the actor had made that UTC day."""
    actor_since: Time | None = None
    """Stamp: when the actor was first seen."""
    mutual: bool | None = None
    """Stamp: the target is among those who engage with the actor."""
