"""
NDJSON: one record of our own contract a line, told apart by their fields.

An identity whose `user` is null unlinks the account.
"""

import msgspec

from agents.formats.base import EventLines
from agents.protocol import Item, Record, Unlink
from schemas import Engagement, Identity, Post, Profile, is_user_id

_engagement = msgspec.json.Decoder(Engagement).decode
_post = msgspec.json.Decoder(Post).decode
_profile = msgspec.json.Decoder(Profile).decode
_identity = msgspec.json.Decoder(Identity).decode
_unlink = msgspec.json.Decoder(Unlink).decode


class _Fields(msgspec.Struct):
    """The fields that tell what a record is."""

    kind: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    author: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    account: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    user: msgspec.Raw = msgspec.Raw(b"null")


_fields = msgspec.json.Decoder(_Fields).decode


class Ndjson(EventLines):
    """Reads records as they are published: engagement (`kind`), post (`author`), identity (`account`), profile."""

    expected = "a JSON object a line: an engagement, a post, a profile or an identity as schemas/README.md has them"

    def time(self, line: bytes) -> int | None:
        """Return the time of a record."""
        record = _decode(line)
        return None if record is None else record.time

    def read(self, line: bytes) -> tuple[int, list[Item] | str] | None:
        """Read a record."""
        record = _decode(line)
        if record is None:
            return None
        if self._shift:
            record = msgspec.structs.replace(record, time=record.time + self._shift)
        return record.time, [record]


def _decode(line: bytes) -> Record | None:
    try:
        fields = _fields(line)
        if fields.kind is not msgspec.UNSET:
            engagement = _engagement(line)
            return engagement if is_user_id(engagement.actor) and is_user_id(engagement.target) else None
        if fields.author is not msgspec.UNSET:
            post = _post(line)
            return post if is_user_id(post.author) else None
        if fields.account is not msgspec.UNSET:
            return _unlink(line) if bytes(fields.user) == b"null" else _identity(line)
        profile = _profile(line)
        return profile if is_user_id(profile.user) else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
