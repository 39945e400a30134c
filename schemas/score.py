"""The score document: the value in `clout.scores`, and byte for byte what Redis and the API serve."""

import msgspec


class Factors(msgspec.Struct, frozen=True, gc=False):
    """The three factors of a score, each from 0 to 100 on a saturating scale."""

    true_reach: float
    amplification: float
    network_impact: float


class NetworkScore(msgspec.Struct, frozen=True, gc=False):
    """What one network contributes."""

    score: float
    """The score from this network alone, 1 to 100."""
    share: float
    """This network's share of the raw influence behind the score, 0 to 1."""
    last: int | None
    """The last engagement on it, Unix ms, or null when there was none."""


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Engagements received within one window."""

    likes: int
    shares: int
    comments: int
    follows: int


class Windows(msgspec.Struct, frozen=True, gc=False):
    """Engagements received within each window, exact to a twelfth of the window."""

    hour: Counts = msgspec.field(name="1h")
    day: Counts = msgspec.field(name="24h")
    week: Counts = msgspec.field(name="7d")
    quarter: Counts = msgspec.field(name="90d")


class ScoreDocument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A record of `clout.scores`, keyed by `user`; readers keep the highest `version`."""

    user: str
    handle: str
    """The profile's handle; without a profile the native id."""
    name: str | None
    avatar: str | None
    score: float
    """1 to 100, two decimals."""
    previous: float | None
    """The score of the document before this one; null in the first."""
    bucket: str
    """`1-9`, `10-19`, .., `80-89`, `90-100`."""
    percentile: float
    """The share of the model's reference population with a lower score, 0 to 100."""
    confidence: float
    """How much evidence there is, 0 to 1."""
    factors: Factors
    networks: dict[str, NetworkScore]
    engagement: Windows
    engagers: int
    """Distinct actors within 90 d (an estimate when many)."""
    authenticity: int
    """0 to 100."""
    model: str
    """The version of the scoring model and its reference distribution."""
    version: int
    """Sum of the offsets that the user's partition had folded, over all input topics: only grows."""
    time: int
    """When it was computed, Unix ms."""
    as_of: int
    """The greatest event time or tick folded, Unix ms."""
    person: str | None = None
    """Whom the account belongs to; only the document of a linked account has it."""
