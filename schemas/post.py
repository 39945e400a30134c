"""One post: what engagement is measured against."""

from typing import Annotated

import msgspec

from schemas.engagement import Id, Tag, Time


class Post(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A record of `clout.posts`, keyed by `author`; the dedupe key is (`id`, `undo`)."""

    id: Id
    network: Id
    author: Id
    time: Time
    object: Id | None = None
    tags: Annotated[list[Tag], msgspec.Meta(max_length=64)] | None = None
    undo: bool = False
