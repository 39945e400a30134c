"""
Jetstream v1: frames of Bluesky's event stream as recorded, one JSON object a line.

Event times are the server's (`time_us`): `createdAt` is what the client claims, and may lie.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from agents.formats.base import ID_LIMIT
from agents.protocol import Batch, Deletion, Item
from schemas import Engagement, Kind, Post, Profile

_POST: Final = "app.bsky.feed.post"
_KINDS: Final[dict[str, Kind]] = {
    "app.bsky.feed.like": "like",
    "app.bsky.feed.repost": "share",
    "app.bsky.graph.follow": "follow",
}
_TAGS: Final = 64
_TAG_LENGTH: Final = 128


class Ref(msgspec.Struct, gc=False):
    """A reference to a post."""

    uri: str


class Reply(msgspec.Struct, gc=False):
    """What a post answers."""

    parent: Ref


class Feature(msgspec.Struct, gc=False):
    """What a stretch of a post's text is; `tag` where it is a hashtag."""

    tag: str | None = None


class Facet(msgspec.Struct, gc=False):
    """A stretch of a post's text."""

    features: list[Feature] = []


class Entry(msgspec.Struct, gc=False):
    """The record of a commit, of whatever collection."""

    subject: Ref | str | None = None
    reply: Reply | None = None
    tags: list[str] | None = None
    facets: list[Facet] | None = None


class Commit(msgspec.Struct, gc=False):
    """A change to a repository; its record is decoded once the collection is known to matter."""

    operation: str
    collection: str
    rkey: str
    record: msgspec.Raw = msgspec.Raw()


class Handle(msgspec.Struct, gc=False):
    """An identity event."""

    handle: str | None = None


class Frame(msgspec.Struct, gc=False):
    """One line."""

    did: Annotated[str, msgspec.Meta(pattern="^did:[a-z]+:.")]
    time_us: Annotated[int, msgspec.Meta(ge=0)]
    kind: Literal["commit", "identity", "account"]
    commit: Commit | None = None
    identity: Handle | None = None


_frame = msgspec.json.Decoder(Frame).decode
_entry = msgspec.json.Decoder(Entry).decode


class Jetstream:
    """
    Turns frames into engagements, posts, profiles and deletions.

    A reply is two records: a post of its author, and a comment on the post that it answers.
    """

    expected = 'a Jetstream v1 frame, {"did": .., "time_us": .., "kind": "commit" | "identity" | "account", ..}'

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift

    def check(self, line: bytes) -> bool:
        """Tell whether a line is a frame."""
        return self.time(line) is not None

    def time(self, line: bytes) -> int | None:
        """Return the time of a frame."""
        try:
            return _frame(line).time_us // 1000
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read frames; a line that is none is skipped, as a live stream goes on after one."""
        batch = Batch(read=len(lines))
        for line in lines:
            try:
                frame = _frame(line)
                fate = self.read(frame)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                batch.skip("malformed" if line.strip() else "blank")
                continue
            batch.time = max(frame.time_us // 1000 + self._shift, batch.time or 0)
            if isinstance(fate, str):
                batch.skip(fate)
            else:
                batch.items.extend(fate)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()

    def read(self, frame: Frame) -> list[Item] | str:
        """
        Return what a frame publishes or, in one word, why it publishes nothing.

        Raises:
            msgspec.MsgspecError: Its record is not what its collection says.
        """
        time = frame.time_us // 1000 + self._shift
        if frame.kind == "identity":
            handle = frame.identity and frame.identity.handle
            return (
                [Profile(user=_user(frame.did), network="bluesky", time=time, handle=handle)] if handle else "no_handle"
            )
        if frame.commit is None:
            return "account" if frame.kind == "account" else "malformed"
        if frame.commit.collection != _POST and frame.commit.collection not in _KINDS:
            return "other_collection"
        if len(frame.did) + len(frame.commit.rkey) > ID_LIMIT // 2:
            return "id_too_long"
        return _commit(frame.did, frame.commit, time)


def _commit(did: str, commit: Commit, time: int) -> list[Item] | str:
    if commit.operation == "delete":
        return [Deletion((_id(did, commit), f"at://{did}/{commit.collection}/{commit.rkey}"))]
    if commit.operation != "create":
        return "update"
    entry = _entry(commit.record)
    if commit.collection == _POST:
        return _posted(did, commit, entry, time)
    uri = entry.subject.uri if isinstance(entry.subject, Ref) else entry.subject
    if not uri:
        return "malformed"
    return _engaged(did, commit, _KINDS[commit.collection], uri, time)


def _posted(did: str, commit: Commit, entry: Entry, time: int) -> list[Item] | str:
    uri = f"at://{did}/{commit.collection}/{commit.rkey}"
    post = Post(id=uri, network="bluesky", author=_user(did), time=time, object=uri, tags=_tags(entry))
    comment = _engaged(did, commit, "comment", entry.reply.parent.uri, time) if entry.reply else []
    # The post counts whatever it answers: a thread with oneself, or a parent that cannot be read.
    return [post] if isinstance(comment, str) else [post, *comment]


def _engaged(did: str, commit: Commit, kind: Kind, uri: str, time: int) -> list[Item] | str:
    target = uri.removeprefix("at://").partition("/")[0]
    if not target.startswith("did:"):
        return "malformed"
    if len(uri) > ID_LIMIT:
        return "id_too_long"
    return [
        Engagement(
            id=_id(did, commit),
            kind=kind,
            network="bluesky",
            actor=_user(did),
            target=_user(target),
            time=time,
            object=None if kind == "follow" else uri,
        )
    ]


def _tags(entry: Entry) -> list[str] | None:
    features = [feature.tag for facet in entry.facets or () for feature in facet.features]
    tags = [tag for tag in (*(entry.tags or ()), *features) if tag and len(tag) <= _TAG_LENGTH]
    return list(dict.fromkeys(tags))[:_TAGS] or None


def _id(did: str, commit: Commit) -> str:
    return f"bluesky:{did}/{commit.collection}/{commit.rkey}"


def _user(did: str) -> str:
    return f"bluesky:{did}"
