"""Score documents: to the look-ups, the leaderboards, the handles and the stream of changes."""

from typing import Final

import msgspec

from pipeline.lookup.change import encode_change
from pipeline.lookup.scripts import Script
from pipeline.lookup.sink.outlet import Outlet, Record, Write, tombstone_user
from schemas import Change, native_of, network_of

_SEPARATOR: Final = "\x1f"
_PER_CALL: Final = 100
"""More would cost Redis more for each, and keep it from readers for 10 ms."""
_PERSON: Final = "\x1e"
"""Stands before the person that an account belongs to."""


class _NetworkHead(msgspec.Struct, gc=False):
    score: float


class _Head(msgspec.Struct, gc=False):
    """What the sink must know of a score document: the rest passes by undecoded."""

    user: str
    handle: str
    score: float
    previous: float | None
    bucket: str
    networks: dict[str, _NetworkHead]
    version: int
    time: int
    as_of: int
    person: str | None = None


_decode = msgspec.json.Decoder(_Head).decode


def score_write(record: Record) -> Write:
    """
    Return what the script takes of a record of `clout.scores`.

    Raises:
        msgspec.DecodeError: The value is no score document, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        user = tombstone_user(record)
        return Write(user, None, (user, "", "", 0, b"", b"", 0))
    head = _decode(record.value)
    change = encode_change(
        Change(
            user=head.user,
            handle=head.handle,
            score=head.score,
            previous=head.previous,
            bucket=head.bucket,
            networks=list(head.networks),
            version=head.version,
            time=head.time,
            as_of=head.as_of,
        )
    )
    rest = [part for network, of in head.networks.items() for part in (network, of.score)]
    columns = (head.user, head.version, _shape(head), head.score, change, record.value, len(head.networks))
    return Write(head.user, head.version, columns, rest, head.time, head.as_of, head.score)


def _shape(head: _Head) -> str:
    """
    Return what decides where else than under its id a user can be found: handle and networks; and the user's person.

    It is empty for the commonest: the handle is the native id, the only network the user's own, and there is no link.
    """
    handle = head.handle.lower().replace(_SEPARATOR, "").replace(_PERSON, "")
    native = native_of(head.user)
    # Redis knows lower case of ASCII only.
    is_common = native.isascii() and handle == native.lower() and [*head.networks] == [network_of(head.user)]
    if is_common and head.person is None:
        return ""
    person = "" if head.person is None else _PERSON + head.person
    return _SEPARATOR.join([handle, *sorted(head.networks)]) + person


SCORES: Final = Outlet("scores", score_write, Script("apply_scores", "reach"), per_call=_PER_CALL)
