"""A change: what subscribers get of a score document."""

import msgspec


class Change(msgspec.Struct, frozen=True, gc=False):
    """One score that was replaced by a newer one: an entry of `clout:changes`, a `change` of `/v1/changes`."""

    user: str
    handle: str
    score: float
    previous: float | None
    """The score of the document before this one; null in the first."""
    bucket: str
    networks: list[str]
    version: int
    time: int
    """When the score was computed, Unix ms."""
    as_of: int
    """The greatest event time or tick that it counts, Unix ms."""


class Gone(msgspec.Struct, frozen=True, gc=False):
    """The score of a user was deleted."""

    user: str


class Reset(msgspec.Struct, frozen=True, gc=False):
    """Events were lost, and `reason` says why: look up anew what you need."""

    reason: str
