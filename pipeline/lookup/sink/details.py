"""Details documents: to the look-ups, and inverted, to those whom each actor engages with and to each topic's users."""

from typing import Final

import msgspec

from pipeline.lookup.scripts import Script
from pipeline.lookup.sink.outlet import Argument, Outlet, Record, Write, tombstone_user
from pipeline.lookup.topics import topics_of

_TOPICS: Final = 5
"""Topics by which a user can be found: the most frequent."""
_SEPARATOR: Final = "\x1f"


class _ActorHead(msgspec.Struct, gc=False):
    actor: str
    count: int


class _TagHead(msgspec.Struct, gc=False):
    tag: str


class _Head(msgspec.Struct, gc=False):
    """What the sink must know of a details document."""

    user: str
    actors: list[_ActorHead]
    tags: list[_TagHead]
    version: int


_decode = msgspec.json.Decoder(_Head).decode


def details_write(record: Record) -> Write:
    """
    Return what the script takes of a record of `clout.details`.

    Raises:
        msgspec.DecodeError: The value is no details document, or neither key nor value says whose it is.
        UnicodeDecodeError: The key of a tombstone is no text.
    """
    if not record.value:
        user = tombstone_user(record)
        return Write(user, None, (user, "", b"", 0, ""))
    head = _decode(record.value)
    rest: list[Argument] = []
    for actor in head.actors:
        rest += (actor.actor, actor.count)
    topics = topics_of([tag.tag for tag in head.tags])[:_TOPICS] if head.tags else []
    slugs = _SEPARATOR.join(topic.slug for topic in topics)
    return Write(head.user, head.version, (head.user, head.version, record.value, len(head.actors), slugs), rest)


DETAILS: Final = Outlet("details", details_write, Script("apply_details", "reach"), per_call=50)
