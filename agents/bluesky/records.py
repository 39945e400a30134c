"""
What a Jetstream frame means.

| frame | record |
|---|---|
| like, repost, follow | like, share, follow |
| post | post; if it answers one, a comment on that; if it quotes one, a share of that; for each mention, a comment |
| identity with a handle, profile | profile |
| deletion | undo of all that the record had become |

Event times are the server's: `createdAt` is what the client claims, and may lie. What an account does to itself is
left out, for it would fill the log and count nowhere.
"""

from typing import Final

import msgspec

from agents.bluesky.frames import Commit, Frame
from agents.limits import ID_LIMIT, TEXT_LIMIT, tags_of
from agents.protocol import Deletion, Item
from schemas import Engagement, Kind, Post, Profile

POST: Final = "app.bsky.feed.post"
PROFILE: Final = "app.bsky.actor.profile"
KINDS: Final[dict[str, Kind]] = {
    "app.bsky.feed.like": "like",
    "app.bsky.feed.repost": "share",
    "app.bsky.graph.follow": "follow",
}
COLLECTIONS: Final = (POST, PROFILE, *KINDS)
"""What a subscriber asks for."""

_MENTIONS: Final = 8
"""Mentions of one post that count: who names more people means none of them. A deletion asks for each."""
_SORTABLE: Final = "234567abcdefghijklmnopqrstuvwxyz"
"""The digits of a TID, atproto.com/specs/tid."""
_DIGIT: Final = {digit: value for value, digit in enumerate(_SORTABLE)}


class Ref(msgspec.Struct, gc=False):
    """A reference to a record."""

    uri: str


class Reply(msgspec.Struct, gc=False):
    """What a post answers."""

    parent: Ref


class Feature(msgspec.Struct, gc=False):
    """What a stretch of a post's text is: a hashtag, or a mention."""

    tag: str | None = None
    did: str | None = None


class Facet(msgspec.Struct, gc=False):
    """A stretch of a post's text."""

    features: list[Feature] = []


class Embedded(msgspec.Struct, gc=False):
    """A quoted record: its `uri`, or, beside media, a `record` that has it."""

    uri: str = ""
    record: Ref | None = None


class Embed(msgspec.Struct, gc=False):
    """What a post carries beside its text."""

    record: Embedded | None = None


class Entry(msgspec.Struct, gc=False):
    """The record of a commit, of whatever collection."""

    subject: Ref | str | None = None
    reply: Reply | None = None
    embed: Embed | None = None
    tags: list[str] | None = None
    facets: list[Facet] | None = None
    displayName: str | None = None  # noqa: N815 - the wire's name


_entry = msgspec.json.Decoder(Entry).decode


def read(frame: Frame, time: int) -> list[Item] | str:
    """
    Return what a frame publishes or, in one word, why it publishes nothing.

    Args:
        frame: The frame.
        time: The time of the event, Unix ms.

    Raises:
        msgspec.MsgspecError: Its record is not what its collection says.
    """
    if frame.kind == "identity":
        handle = frame.identity and frame.identity.handle
        return [Profile(user=_user(frame.did), network="bluesky", time=time, handle=handle)] if handle else "no_handle"
    if frame.commit is None:
        return "malformed" if frame.kind == "commit" else frame.kind
    if frame.commit.collection not in COLLECTIONS:
        return "other_collection"
    if len(frame.did) + len(frame.commit.rkey) > ID_LIMIT // 2:
        return "id_too_long"
    return _committed(frame.did, frame.commit, time)


def _committed(did: str, commit: Commit, time: int) -> list[Item] | str:
    if commit.collection == PROFILE:
        return _profile(did, commit, time)
    if commit.operation == "delete":
        return [Deletion(_ids(did, commit), tid_time(commit.rkey))]
    if commit.operation != "create":
        return "update"
    entry = _entry(commit.record)
    if commit.collection == POST:
        return _posted(did, commit, entry, time)
    uri = entry.subject.uri if isinstance(entry.subject, Ref) else entry.subject
    return _engaged(did, _id(did, commit), KINDS[commit.collection], uri or "", time)


def tid_time(rkey: str) -> int | None:
    """Return when a record was made, Unix ms, as its key says; None where the key is no TID."""
    if len(rkey) != 13 or not all(digit in _DIGIT for digit in rkey) or _DIGIT[rkey[0]] > 15:
        return None
    value = 0
    for digit in rkey:
        value = value << 5 | _DIGIT[digit]
    # The last ten bits name the clock, the others are Unix microseconds.
    return (value >> 10) // 1000


def _profile(did: str, commit: Commit, time: int) -> list[Item] | str:
    name = None if commit.operation == "delete" else _entry(commit.record).displayName
    return [Profile(user=_user(did), network="bluesky", time=time, name=name[:TEXT_LIMIT])] if name else "no_name"


def _posted(did: str, commit: Commit, entry: Entry, time: int) -> list[Item]:
    uri, made = _uri(did, commit), _id(did, commit)
    items: list[Item] = [Post(id=uri, network="bluesky", author=_user(did), time=time, object=uri, tags=_tags(entry))]
    parent = entry.reply.parent.uri if entry.reply else ""
    quoted = _quoted(entry)
    found = [
        *([_engaged(did, made, "comment", parent, time)] if parent else []),
        *([_engaged(did, f"{made}#quote", "share", quoted, time)] if quoted else []),
        *(
            _engaged(did, f"{made}#mention/{number}", "comment", whom, time, on_post=False)
            for number, whom in enumerate(_mentioned(entry, _did_of(parent)))
        ),
    ]
    # The post counts whatever it answers: a thread with oneself, or a parent that cannot be read.
    return items + [item for engaged in found if not isinstance(engaged, str) for item in engaged]


def _quoted(entry: Entry) -> str:
    record = entry.embed and entry.embed.record
    return (record.uri or (record.record.uri if record.record else "")) if record else ""


def _mentioned(entry: Entry, answered: str) -> list[str]:
    """Return who is mentioned, but for whom the post answers: that is one comment, not two."""
    dids = [feature.did for facet in entry.facets or () for feature in facet.features if feature.did]
    return [did for did in dict.fromkeys(dids) if did != answered][:_MENTIONS]


def _engaged(did: str, made: str, kind: Kind, uri: str, time: int, *, on_post: bool = True) -> list[Item] | str:
    target = _did_of(uri)
    if not target.startswith("did:"):
        return "malformed"
    if len(uri) > ID_LIMIT - len("bluesky:"):
        return "id_too_long"
    if target == did:
        return "self"
    return [
        Engagement(
            id=made,
            kind=kind,
            network="bluesky",
            actor=_user(did),
            target=_user(target),
            time=time,
            object=uri if on_post and kind != "follow" else None,
        )
    ]


def _tags(entry: Entry) -> list[str] | None:
    features = (feature.tag for facet in entry.facets or () for feature in facet.features)
    return tags_of((*(entry.tags or ()), *features))


def _ids(did: str, commit: Commit) -> tuple[str, ...]:
    """Return every id that a record may have been published under."""
    made = _id(did, commit)
    if commit.collection != POST:
        return (made,)
    mentions = (f"{made}#mention/{number}" for number in range(_MENTIONS))
    return (made, _uri(did, commit), f"{made}#quote", *mentions)


def _did_of(uri: str) -> str:
    return uri.removeprefix("at://").partition("/")[0]


def _id(did: str, commit: Commit) -> str:
    return f"bluesky:{did}/{commit.collection}/{commit.rkey}"


def _uri(did: str, commit: Commit) -> str:
    return f"at://{did}/{commit.collection}/{commit.rkey}"


def _user(did: str) -> str:
    return f"bluesky:{did}"
