"""
Control records: what administrators and the holders of keys decide.

They share the compacted topic `clout.control`, keyed by `id`, whose first part is the type; a tombstone takes one back.
"""

from typing import Annotated, Literal

import msgspec

from schemas.alert import Acknowledgement, AlertRule, Silence
from schemas.engagement import Id, Time
from schemas.subscription import Subscription

Scope = Literal["read", "ingest", "identity", "admin"]
"""`read` reads and owns subscriptions and rules, `ingest` publishes, `identity` links accounts, `admin` may all."""


class KeySecret(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One secret of a key; during a rotation a key has two."""

    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """SHA-256, in hexadecimal. A secret has 256 random bits: a slow hash would protect nothing more."""
    expires: Time | None = None


class ApiKey(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="key"):
    """An API key."""

    id: Id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]
    secrets: list[KeySecret]
    created: Time
    networks: list[str] | None = None
    """What it may publish for; None stands for all."""
    expires: Time | None = None
    requests_per_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Its own limit instead of the deployment's."""


class Override(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="override"):
    """An administrator's word on an account: `block` takes the weight from all it does, `allow` trusts it."""

    id: Id
    user: Id
    action: Literal["block", "allow"]
    time: Time
    reason: Annotated[str, msgspec.Meta(max_length=512)] = ""


class Forgotten(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="forgotten"):
    """A user whom nothing may be kept of; `time` is when that was decided."""

    id: Id
    user: Id
    time: Time


Control = ApiKey | Subscription | AlertRule | Silence | Acknowledgement | Override | Forgotten
"""A record of `clout.control`."""
