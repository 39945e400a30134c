"""
What a Nostr event means.

| kind | record |
|---|---|
| 0 metadata | profile |
| 1 note | post; if it answers one, a comment; if it starts a thread, a comment for each person mentioned |
| 6, 16 repost | share |
| 7 reaction | like, whatever the emoji; "-" and a thumb down are no like |
| 5 deletion | undo of the author's own events |
| 3 follow list | follows and their undos, by difference: `follows.py` |
"""

from collections.abc import Callable
from typing import Final

import msgspec

from agents.limits import TEXT_LIMIT, tags_of
from agents.nostr.events import Event
from agents.protocol import Deletion, Item
from schemas import Engagement, Kind, Post, Profile

KINDS: Final = (0, 1, 3, 5, 6, 7, 16)
"""What relays are asked for."""

_DISLIKES: Final = {"-", "\N{THUMBS DOWN SIGN}"}
_MENTIONS: Final = 8
"""Mentions of one note that count: who names more people means none of them."""
_DELETED: Final = 100
"""Events that one deletion may name."""


class _Metadata(msgspec.Struct):
    name: str | None = None
    display_name: str | None = None
    picture: str | None = None


_metadata = msgspec.json.Decoder(_Metadata).decode


def read(event: Event, time: int) -> list[Item] | str:
    """
    Return what an event of any kind but 3 publishes or, in one word, why it publishes nothing.

    Args:
        event: Verified.
        time: The time of the event, Unix ms.
    """
    reader = _READERS.get(event.kind)
    return "other_kind" if reader is None else reader(event, time)


def user(pubkey: str) -> str:
    """Return the user of a public key."""
    return f"nostr:{pubkey}"


def is_key(text: str) -> bool:
    """Tell whether a text is 32 bytes in lower-case hexadecimal digits."""
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)


def _profile(event: Event, time: int) -> list[Item] | str:
    try:
        said = _metadata(event.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "malformed"
    handle, name, avatar = (
        text[:TEXT_LIMIT] if text else None for text in (said.name, said.display_name or said.name, said.picture)
    )
    return [Profile(user=user(event.pubkey), network="nostr", time=time, handle=handle, name=name, avatar=avatar)]


def _reaction(event: Event, time: int) -> list[Item] | str:
    if event.content.strip() in _DISLIKES:
        return "dislike"
    return _engaged(event, "like", "", _last(event, "p"), _last(event, "e"), time)


def _repost(event: Event, time: int) -> list[Item] | str:
    return _engaged(event, "share", "", _last(event, "p"), _last(event, "e"), time)


def _deletion(event: Event, _: int) -> list[Item] | str:
    ids = tuple(name for tag in event.tagged("e")[:_DELETED] for name in _names(event.pubkey, tag[1]))
    return [Deletion(ids)] if ids else "no_target"


def _note(event: Event, time: int) -> list[Item]:
    object_id = f"nostr:{event.id}"
    tags = tags_of(tag[1] for tag in event.tagged("t"))
    made = _name(event.pubkey, event.id)
    post = Post(id=made, network="nostr", author=user(event.pubkey), time=time, object=object_id, tags=tags)
    answered = _answered(event)
    if answered is not None:
        parent, author = answered
        found = [_engaged(event, "comment", "#reply", author, parent, time)]
    else:
        whom = list(dict.fromkeys(tag[1] for tag in event.tagged("p")))[:_MENTIONS]
        found = [_engaged(event, "comment", f"#mention/{n}", key, "", time) for n, key in enumerate(whom)]
    return [post, *(item for engaged in found if not isinstance(engaged, str) for item in engaged)]


def _answered(event: Event) -> tuple[str, str] | None:
    """Return the note that an event answers, and its author's key as far as the event names it (NIP-10)."""
    refs = [tag for tag in event.tagged("e") if len(tag) < 4 or tag[3] != "mention"]
    if not refs:
        return None
    marked = [tag for tag in refs if len(tag) > 3 and tag[3] == "reply"] or [
        tag for tag in refs if len(tag) > 3 and tag[3] == "root"
    ]
    # Without marks the last one is answered.
    parent = (marked or refs)[-1]
    return parent[1], parent[4] if len(parent) > 4 and is_key(parent[4]) else _last(event, "p")


def _engaged(event: Event, kind: Kind, part: str, whom: str, on: str, time: int) -> list[Item] | str:
    if not is_key(whom):
        return "no_target"
    if whom == event.pubkey:
        return "self"
    return [
        Engagement(
            id=_name(event.pubkey, event.id) + part,
            kind=kind,
            network="nostr",
            actor=user(event.pubkey),
            target=user(whom),
            time=time,
            object=f"nostr:{on}" if is_key(on) else None,
        )
    ]


def _last(event: Event, name: str) -> str:
    tags = event.tagged(name)
    return tags[-1][1] if tags else ""


def _name(pubkey: str, event_id: str) -> str:
    # With the author: nobody else's deletion finds it.
    return f"nostr:{pubkey}/{event_id}"


def _names(pubkey: str, event_id: str) -> tuple[str, ...]:
    """Return every id that an event may have been published under."""
    if not is_key(event_id):
        return ()
    made = _name(pubkey, event_id)
    return (made, f"{made}#reply", *(f"{made}#mention/{n}" for n in range(_MENTIONS)))


_READERS: Final[dict[int, Callable[[Event, int], list[Item] | str]]] = {
    0: _profile,
    1: _note,
    5: _deletion,
    6: _repost,
    7: _reaction,
    16: _repost,
}
