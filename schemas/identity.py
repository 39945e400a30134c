"""The person an account belongs to."""

import msgspec

from schemas.engagement import Id, Time


class Identity(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A record of `clout.identities`, keyed by `account`; a tombstone unlinks."""

    account: Id
    user: Id
    time: Time
