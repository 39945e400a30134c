"""
NDJSON: one record of our own contract a line, told apart by their fields.

An identity whose `user` is null unlinks the account.
"""

from collections.abc import Sequence

import msgspec

from agents.protocol import Batch, Record, Unlink
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


class Ndjson:
    """Reads records as they are published: engagement (`kind`), post (`author`), identity (`account`), profile."""

    expected = "a JSON object a line: an engagement, a post, a profile or an identity as schemas/README.md has them"

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def check(self, line: bytes) -> bool:
        """Tell whether a line is a record."""
        return _decode(line) is not None

    def time(self, line: bytes) -> int | None:
        """Return the time of a record."""
        record = _decode(line)
        return None if record is None else record.time

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read records; a line that is none is skipped."""
        batch = Batch(read=len(lines))
        for line in lines:
            record = _decode(line)
            if record is None:
                batch.skip("malformed" if line.strip() else "blank")
            else:
                self._add(record, batch)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()

    def _add(self, record: Record, batch: Batch) -> None:
        if self._shift:
            record = msgspec.structs.replace(record, time=max(0, record.time + self._shift))
        batch.time = max(record.time, batch.time or 0)
        batch.items.append(record)


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
