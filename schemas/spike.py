"""A spike: engagement with a user that suddenly rose above its baseline, or fell silent below it."""

from typing import Annotated, Literal

import msgspec

from schemas.details import TopActor, TopPost
from schemas.engagement import Id, Kind, Time


class Spike(msgspec.Struct, frozen=True, gc=False):
    """
    A record of `clout.spikes`, keyed by `user`.

    One spike keeps its id while it opens, grows through levels and closes. (id, status, level) names a record: one that
    comes again, after a crash, is the same.
    """

    id: Id
    """The user and `began`: `network:native-id/Unix ms`."""
    user: Id
    network: Id
    status: Literal["open", "grown", "closed"]
    direction: Literal["rise", "drop"]
    began: Time
    """In event time: the first engagement of a rise, the last one before a drop."""
    level: Annotated[int, msgspec.Meta(ge=1, le=5)]
    """The highest level reached. The first is evidence enough to tell; each further one is four times the evidence."""
    rate: float
    """Engagements per minute, over the minute before `time`."""
    baseline: float
    """Engagements per minute expected at that hour."""
    kinds: dict[Kind, int]
    """Engagements since the spike began, by kind; empty for a drop."""
    posts: list[TopPost]
    """Those that weigh most, of the engagements since the spike began."""
    actors: list[TopActor]
    authenticity: Literal["organic", "suspicious"]
    """Of the engagements since the spike began."""
    reasons: list[str]
    """Why it is suspicious, in words."""
    version: int
    """Sum of the offsets that the user's partition had folded."""
    time: Time
    """When this status was reached, in event time. An alert is as old as this."""
