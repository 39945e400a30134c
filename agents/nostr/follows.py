"""
Follow lists: Nostr's kind 3 is the whole list, so that follows are what is new in it.

The first list that is heard of an author is where it begins: nobody knows when those follows were made.
"""

from pathlib import Path
from typing import Final

import msgspec

from agents.nostr.events import Event
from agents.nostr.records import is_key, user
from agents.protocol import Item
from agents.settled import SettledTable
from schemas import Engagement

_LONGEST: Final = 5_000
"""Follows of one author that are looked at: who follows more follows nobody."""
_LISTS: Final = 50_000
"""Authors whose lists are kept, some 10 KB each."""
_BEFORE: Final = 0
"""When a follow began that was in the first list."""


class FollowList(msgspec.Struct, array_like=True):
    """What an author follows, as far as it was heard."""

    heard: int
    """The time of the list, Unix s: also the name of the follows that it began."""
    began: dict[str, int]
    """Public key to when the follow began."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FollowList).decode


class Follows:
    """The newest list of each author."""

    def __init__(self, path: Path) -> None:
        """
        Open or create the table.

        Raises:
            ConfigError: The file cannot be used.
        """
        self.table = SettledTable(path, _LISTS)

    def read(self, event: Event, time: int) -> list[Item] | str:
        """Return the follows that a list begins and ends, or why there are none."""
        held = self._held(event.pubkey)
        whom = {tag[1] for tag in event.tagged("p")[:_LONGEST] if is_key(tag[1]) and tag[1] != event.pubkey}
        if held is None:
            self._keep(event.pubkey, FollowList(event.created_at, dict.fromkeys(sorted(whom), _BEFORE)))
            return "first_list"
        if event.created_at <= held.heard:
            return "older_list"
        began = {key: held.began.get(key, event.created_at) for key in sorted(whom)}
        self._keep(event.pubkey, FollowList(event.created_at, began))
        made = [self._follow(event, key, event.created_at, time) for key in began if key not in held.began]
        ended = [
            self._follow(event, key, start, time, undo=True)
            for key, start in held.began.items()
            if key not in whom and start != _BEFORE
        ]
        return [*made, *ended] or "same_list"

    def _held(self, author: str) -> FollowList | None:
        held = self.table.get(author)
        return None if held is None else _decode(held)

    def _keep(self, author: str, follows: FollowList) -> None:
        self.table.put(author, _encode(follows))

    def _follow(self, event: Event, key: str, began: int, time: int, *, undo: bool = False) -> Engagement:
        return Engagement(
            id=f"nostr:{event.pubkey}/follow/{key}/{began}",
            kind="follow",
            network="nostr",
            actor=user(event.pubkey),
            target=user(key),
            time=began * 1_000 if undo else time,
            undo=undo,
        )
