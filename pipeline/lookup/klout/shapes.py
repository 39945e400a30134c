"""What Klout's API answers: every field that any of its clients reads, of whatever year."""

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """A user's number (`network` is `ks`), or their id at another network."""

    id: str
    network: str


class Deltas(msgspec.Struct, frozen=True, rename="camel"):
    """How much the score moved; 0 where the history does not reach back so far."""

    day_change: float
    week_change: float
    month_change: float


class NickedScore(msgspec.Struct, frozen=True):
    """The score within a user or payload."""

    score: float
    bucket: str


class User(msgspec.Struct, frozen=True, rename="camel"):
    """
    A user, also as the payload of an entity.

    Klout wrote `scoreDeltas` here and `scoreDelta` beside a score alone. Some clients read only one of the two: both
    stand in both places.
    """

    klout_id: str
    nick: str
    score: NickedScore
    score_deltas: Deltas
    score_delta: Deltas


class Score(msgspec.Struct, frozen=True, rename="camel"):
    """A score alone."""

    score: float
    score_delta: Deltas
    score_deltas: Deltas
    bucket: str


class Entity(msgspec.Struct, frozen=True):
    """Someone who influences or is influenced."""

    id: str
    payload: User


class EntityHolder(msgspec.Struct, frozen=True):
    """An entry of `influence`."""

    entity: Entity


class Influence(msgspec.Struct, frozen=True, rename="camel"):
    """The five highest scores of those who influence a user and of those whom the user influences."""

    my_influencers: list[EntityHolder]
    my_influencees: list[EntityHolder]
    my_influencers_count: int
    my_influencees_count: int


class Failure(msgspec.Struct, frozen=True):
    """An error, of either version."""

    error: int
    """The status."""
    description: str


class KScore(msgspec.Struct, frozen=True):
    """Version 1: a score."""

    twitter_screen_name: str
    kscore: float


class ShownScore(msgspec.Struct, frozen=True):
    """Version 1: everything about a score."""

    kscore: float
    slope: float
    """The change within 30 days."""
    description: str
    kclass_id: int
    kclass: str
    kclass_description: str
    kscore_description: str
    network_score: float
    amplification_score: float
    true_reach: int
    """A number of people, not a score."""
    delta_1day: float
    delta_5day: float


class ShownUser(msgspec.Struct, frozen=True):
    """Version 1: a user."""

    twitter_id: str
    twitter_screen_name: str
    score: ShownScore


class UserTopics(msgspec.Struct, frozen=True):
    """Version 1: the names of a user's first topics."""

    twitter_screen_name: str
    topics: list[str]


class Influencers(msgspec.Struct, frozen=True):
    """Version 1: those who influence a user."""

    twitter_screen_name: str
    influencers: list[KScore]


class Influencees(msgspec.Struct, frozen=True):
    """Version 1: those whom a user influences."""

    twitter_screen_name: str
    influencees: list[KScore]
