"""Details: who and what stands behind a score."""

import msgspec


class TopActor(msgspec.Struct, frozen=True, gc=False):
    """An actor who engages often with the user; `count` is approximate when there are many."""

    actor: str
    count: int


class TopPost(msgspec.Struct, frozen=True, gc=False):
    """A post that earned much engagement."""

    object: str
    count: int


class TopTag(msgspec.Struct, frozen=True, gc=False):
    """A tag of the posts that earned engagement."""

    tag: str
    count: int


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one factor adds to the score."""

    factor: str
    points: float


class Details(msgspec.Struct, frozen=True, gc=False):
    """A record of `clout.details`, keyed by `user`: the newest, at most every 10 s a user."""

    user: str
    actors: list[TopActor]
    posts: list[TopPost]
    tags: list[TopTag]
    contributions: list[Contribution]
    version: int
    time: int
    as_of: int
