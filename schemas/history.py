"""A score of the past: what the graphs of scores over time are made of."""

from typing import Annotated, Literal

import msgspec

from schemas.engagement import Id, Time

Resolution = Literal["hour", "day"]


class HistoryPoint(msgspec.Struct, frozen=True, gc=False):
    """
    A record of `clout.history`, keyed by `user`: the last score of an hour or a day (UTC, event time).

    It is written when a later score of another hour or day follows: the newest score is in `clout.scores`.
    An hour or day without a record had the score of the one before it.
    A record that comes again says the same.
    """

    user: Id
    resolution: Resolution
    time: Time
    """The `as_of` of the score, Unix ms: it lies within the hour or day that it closes."""
    score: Annotated[float, msgspec.Meta(ge=1, le=100)]
    version: int
    """Of a score document of the user, not older than this score."""
