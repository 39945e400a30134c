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


class NetworkPoints(msgspec.Struct, frozen=True, gc=False):
    """What one network adds to the score."""

    network: str
    points: float


class Discount(msgspec.Struct, frozen=True, gc=False):
    """A signal that speaks against some of the engagement, which therefore counts for less."""

    signal: str
    """`mass activity`, `new and busy`, `traded engagement`, `one actor` or `flood of posts`."""
    share: float
    """How strongly it speaks, 0 to 1: what authenticity loses by it."""


class Advice(msgspec.Struct, frozen=True, gc=False):
    """Something to do about a score."""

    what: str
    points: float
    """What it would add."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A post, by the engagements that it earned within each window; approximate for users with many."""

    object: str
    hour: int = msgspec.field(name="1h")
    day: int = msgspec.field(name="24h")
    week: int = msgspec.field(name="7d")
    quarter: int = msgspec.field(name="90d")
    points: float
    """What the score would lose without them, taken to come from average actors who engaged with nothing else."""


class Fading(msgspec.Struct, frozen=True, gc=False):
    """Points that the score loses if nothing more happens."""

    day: float
    """Within 24 hours."""
    week: float
    """Within 7 days."""


class Details(msgspec.Struct, frozen=True, gc=False):
    """A record of `clout.details`, keyed by `user`: the newest, at most every 10 s a user."""

    user: str
    actors: list[TopActor]
    posts: list[TopPost]
    tags: list[TopTag]
    contributions: list[Contribution]
    """By factor, over all accounts of a person; they add up to the score."""
    version: int
    time: int
    as_of: int
    networks: list[NetworkPoints] = []
    """By network; they add up to the score."""
    strengths: list[str] = []
    weaknesses: list[str] = []
    advice: Advice | None = None
    """The one change that would help most."""
    discounts: list[Discount] = []
    fading: Fading | None = None
    moments: list[Moment] = []
    """The posts that earned most within any window, the most points first."""
