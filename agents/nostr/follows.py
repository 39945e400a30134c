"""
Follow lists: Nostr's kind 3 is the whole list, so that follows are what is new in it.

The first list that is heard of an author is where it begins: nobody knows when those follows were made.
"""

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from agents.nostr.events import Event
from agents.nostr.records import is_key, user
from agents.protocol import Item
from pipeline.errors import ConfigError
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
    """The newest list of each author. What is new is kept in memory until the broker has what followed from it."""

    def __init__(self, path: Path) -> None:
        """
        Open or create the table.

        Raises:
            ConfigError: The file cannot be used.
        """
        self._fresh: dict[str, FollowList] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._db:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS lists (place INTEGER PRIMARY KEY, author TEXT UNIQUE, list BLOB)"
                )
        except (OSError, sqlite3.Error) as exc:
            raise ConfigError(f"cannot use the follow lists {path}: {exc}; remove it, or set CLOUT_DATA_DIR") from exc

    def read(self, event: Event, time: int) -> list[Item] | str:
        """Return the follows that a list begins and ends, or why there are none."""
        held = self._held(event.pubkey)
        whom = {tag[1] for tag in event.tagged("p")[:_LONGEST] if is_key(tag[1]) and tag[1] != event.pubkey}
        if held is None:
            self._fresh[event.pubkey] = FollowList(event.created_at, dict.fromkeys(sorted(whom), _BEFORE))
            return "first_list"
        if event.created_at <= held.heard:
            return "older_list"
        began = {key: held.began.get(key, event.created_at) for key in sorted(whom)}
        self._fresh[event.pubkey] = FollowList(event.created_at, began)
        made = [self._follow(event, key, event.created_at, time) for key in began if key not in held.began]
        ended = [
            self._follow(event, key, start, time, undo=True)
            for key, start in held.began.items()
            if key not in whom and start != _BEFORE
        ]
        return [*made, *ended] or "same_list"

    def take(self) -> dict[str, FollowList]:
        """Return what is new, to be given to `settle` when the broker has what followed from it."""
        return dict(self._fresh)

    def settle(self, lists: dict[str, FollowList]) -> None:
        """Keep lists on disk."""
        rows = [(author, _encode(held)) for author, held in lists.items()]
        with self._db:
            self._db.executemany("REPLACE INTO lists (author, list) VALUES (?, ?)", rows)
            self._db.execute("DELETE FROM lists WHERE place <= (SELECT max(place) FROM lists) - ?", (_LISTS,))
        for author, held in lists.items():
            if self._fresh.get(author) is held:
                del self._fresh[author]

    def _held(self, author: str) -> FollowList | None:
        if author in self._fresh:
            return self._fresh[author]
        row = self._db.execute("SELECT list FROM lists WHERE author = ?", (author,)).fetchone()
        return None if row is None else _decode(row[0])

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
