"""What an account says of itself."""

from typing import Annotated

import msgspec

from schemas.engagement import Id, Time

Text = Annotated[str, msgspec.Meta(max_length=2048)]


class Profile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """
    A record of `clout.profiles`, keyed by `user`; the newest `time` counts.

    Counts may be absurd or negative at the source: they are clamped where they are read.
    """

    user: Id
    network: Id
    time: Time
    name: Text | None = None
    handle: Text | None = None
    url: Text | None = None
    avatar: Text | None = None
    followers: int | None = None
    following: int | None = None
    posts: int | None = None
