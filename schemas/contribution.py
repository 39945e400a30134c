"""What a linked account contributes to the person it belongs to."""

from typing import Annotated

import msgspec

from schemas.engagement import Id, Time
from schemas.score import Windows

Level = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Levels(msgspec.Struct, frozen=True, gc=False):
    """The three factors as the model adds them: each ln(1 + value), 0 or more."""

    true_reach: Level
    amplification: Level
    network_impact: Level


class AccountContribution(msgspec.Struct, frozen=True, gc=False):
    """
    A record of `clout.contributions`, keyed by `user`: all that one account adds to a person's score.

    It is absolute: of an account's records to one person the greatest (`version`, `time`) counts, whatever their order.
    """

    user: Id
    """The person."""
    account: Id
    linked: bool
    """False: the account belongs to the person no more, and adds nothing."""
    levels: Levels
    """Of the account's own engagement alone."""
    engagement: Windows
    engagers: Count
    authenticity: Annotated[int, msgspec.Meta(ge=0, le=100)]
    last: Time | None
    """The account's last engagement, Unix ms, or null when there was none."""
    model: str
    """The version of the scoring model that the levels are of."""
    version: Count
    """Sum of the offsets that the account's partition had folded, over all input topics."""
    time: Time
    """When it was computed, Unix ms."""
    as_of: Time
    """The greatest event time or tick that the account's partition had folded, Unix ms."""
