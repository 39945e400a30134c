"""A spike: engagement with a user that suddenly rose above its baseline, or fell below it."""

from typing import Literal

import msgspec

from schemas.details import TopActor, TopPost
from schemas.engagement import Id, Kind, Time


class Spike(msgspec.Struct, frozen=True, gc=False):
    """A record of `clout.spikes`, keyed by `user`; one spike keeps its id while it opens, grows and closes."""

    id: Id
    user: Id
    network: Id
    status: Literal["open", "grown", "closed"]
    direction: Literal["rise", "drop"]
    began: Time
    level: int
    rate: float
    """Engagements per minute now."""
    baseline: float
    """Engagements per minute expected."""
    kinds: dict[Kind, int]
    posts: list[TopPost]
    actors: list[TopActor]
    authenticity: Literal["organic", "suspicious"]
    reasons: list[str]
    version: int
    time: Time
