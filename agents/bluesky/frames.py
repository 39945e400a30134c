"""
Jetstream's frames, version 1 and version 2, as one type.

Version 1 is what `/subscribe` sends, version 2 what `/xrpc/network.bsky.jetstream.subscribeEvents` does
(github.com/bluesky-social/jetstream, docs/README.md, 5.1 and 5.2).
"""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

Did = Annotated[str, msgspec.Meta(pattern="^did:[a-z]+:.")]

_V2: Final = "network.bsky.jetstream.subscribeEvents#"
_NOTHING: Final = msgspec.Raw()

Kind = Literal["commit", "identity", "account", "sync", "info"]


class NotAFrameError(Exception):
    """The bytes are no frame that this program knows."""


class ServerError(Exception):
    """The server says that it ends the connection, and why."""


class Commit(msgspec.Struct, gc=False):
    """A change to a repository; its record is decoded once the collection is known to matter."""

    operation: str
    collection: str
    rkey: str
    rev: str = ""
    record: msgspec.Raw = _NOTHING


class Handle(msgspec.Struct, gc=False):
    """An identity event."""

    handle: str | None = None


class Frame(msgspec.Struct, gc=False):
    """One event of the stream."""

    kind: Kind
    did: str
    time_us: int
    """When the server saw it, Unix microseconds: also the cursor that all servers understand."""
    commit: Commit | None = None
    identity: Handle | None = None
    note: str = ""
    """What the server says of the stream, in an `info`."""


class _Any(msgspec.Struct, gc=False):
    """A frame of either version: the fields of one of them are set."""

    did: Did | None = None
    time_us: Annotated[int, msgspec.Meta(ge=0)] = -1
    kind: Literal["commit", "identity", "account", ""] = ""
    commit: Commit | None = None
    identity: Handle | None = None
    payload: msgspec.Raw = _NOTHING
    error: str = ""
    message: str = ""


class _Payload(msgspec.Struct, gc=False):
    """What a frame of version 2 carries."""

    type: str = msgspec.field(name="$type")
    did: Did | None = None
    time: str = ""
    witnessedAt: str = ""  # noqa: N815 - the wire's name
    operation: str = ""
    collection: str = ""
    rkey: str = ""
    rev: str = ""
    record: msgspec.Raw = _NOTHING
    identity: Handle | None = None
    name: str = ""
    message: str = ""


_any = msgspec.json.Decoder(_Any).decode
_payload = msgspec.json.Decoder(_Payload).decode


def decode(frame: bytes | str) -> Frame:
    """
    Decode a frame of either version.

    Raises:
        NotAFrameError: It is none.
        ServerError: It says that the server ends the connection.
    """
    try:
        found = _any(frame)
        if found.payload is not _NOTHING:
            return _version_2(_payload(found.payload))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError) as exc:
        raise NotAFrameError(str(exc)) from exc
    if found.error:
        raise ServerError(f"{found.error}: {found.message}")
    if found.did is None or found.time_us < 0 or not found.kind:
        raise NotAFrameError("did, time_us or kind is missing")
    return Frame(found.kind, found.did, found.time_us, found.commit, found.identity)


def _version_2(payload: _Payload) -> Frame:
    kind = payload.type.removeprefix(_V2)
    if kind == "info":
        return Frame("info", "", 0, note=f"{payload.name} {payload.message}".strip())
    if payload.did is None or kind not in {"commit", "identity", "account", "sync"}:
        raise NotAFrameError(f"{payload.type} is not known")
    time = datetime.fromisoformat(payload.witnessedAt or payload.time)
    if time.tzinfo is None:
        raise NotAFrameError("a time without a zone")
    commit = None
    if kind == "commit":
        commit = Commit(payload.operation, payload.collection, payload.rkey, payload.rev, payload.record)
    # Not timestamp() * 1e6: that is a float, and a microsecond off now and then.
    whole = int(time.replace(microsecond=0).timestamp()) * 1_000_000 + time.microsecond
    return Frame(kind, payload.did, whole, commit, payload.identity)  # type: ignore[arg-type]
