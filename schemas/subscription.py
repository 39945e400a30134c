"""Subscriptions: what a key wants to be told by webhook."""

from typing import Annotated, Literal

import msgspec

from schemas.engagement import Id, Time

EventKind = Literal["score", "threshold", "spike"]

Url = Annotated[str, msgspec.Meta(min_length=8, max_length=2048)]


class Subscription(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="subscription"):
    """A webhook of one key."""

    id: Id
    owner: Id
    """The key whose it is: another key does not see it."""
    url: Url
    secret: str
    """What deliveries are signed with: `whsec_` and Base64, as Standard Webhooks has it."""
    events: Annotated[list[EventKind], msgspec.Meta(min_length=1, max_length=3)]
    created: Time
    users: Annotated[list[Id], msgspec.Meta(max_length=1000)] | None = None
    """Only these; None stands for everyone."""
    threshold: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    """`threshold`: tell when a score crosses this, in either direction."""
    min_delta: Annotated[float, msgspec.Meta(ge=0, le=99)] = 1.0
    """`score`: tell when a score moved by this since the document before."""
    disabled: str | None = None
    """Why nothing is delivered any more, for example that the receiver answered 410."""
