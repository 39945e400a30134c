"""
The copy of one's information that Instagram gives, as JSON.

| document | record |
|---|---|
| followers | follow, of the account: with the time of each |
| followed | follow, by the account |
| likes of posts and comments | like, for whose it is |
| comments on posts and reels | comment |
| posts, reels | post |

People have no ids there: users are `instagram:name/USERNAME`. What others did to the posts is not in it.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from agents.exports.archive import Archive
from agents.exports.documents import document, entries, listed
from agents.exports.meta import mended
from agents.exports.source import Entry, Totals, last_of_all
from agents.limits import TEXT_LIMIT
from schemas import Engagement, Kind, Post, Profile

_NAME: Final = re.compile(r"[\w.]{1,64}")
_LIKES: Final = ["likes_media_likes", "likes_comment_likes"]
_COMMENTS: Final = ["comments_media_comments", "comments_reels_comments"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value, an address, a time, of an entry."""

    value: str = ""
    href: str = ""
    timestamp: int = 0


class Label(msgspec.Struct, frozen=True, gc=False):
    """A value with what it is; some hold further ones. The layout of exports since late 2025."""

    label: str = ""
    title: str = ""
    value: str = ""
    href: str = ""
    dict: "list[Label]" = []


class Listed(msgspec.Struct, frozen=True, gc=False):
    """An entry of most lists, of whatever layout."""

    title: str = ""
    timestamp: int = 0
    string_list_data: list[Value] = []
    string_map_data: dict[str, Value] = {}
    label_values: list[Label] = []


class Media(msgspec.Struct, frozen=True, gc=False):
    """A photo or a video."""

    creation_timestamp: int
    uri: str = ""


class Posted(msgspec.Struct, frozen=True, gc=False):
    """A post."""

    media: list[Media]
    creation_timestamp: int = 0


class ProfileDocument(msgspec.Struct, frozen=True, gc=False):
    """personal_information.json."""

    profile_user: list[Listed]


def read(archive: Archive) -> Iterator[Entry]:
    """Yield what an export holds."""
    expected = "an export of Instagram in JSON (not HTML) with personal_information.json, which says whose it is"
    found = document(archive, r"personal_information\.json", ProfileDocument, expected).profile_user
    said = found[0].string_map_data if found else {}
    username = said.get("Username", Value()).value.lower()
    if not _NAME.fullmatch(username):
        raise archive.lacks(
            f"{expected}: there is no Username (exports are read that were made with English as language)"
        )
    name = mended(said.get("Name", Value()).value)[:TEXT_LIMIT] or None
    totals = Totals()
    profile = Profile(_user(username), "instagram", 0, name=name, handle=username)
    yield from last_of_all(_Reader(username, totals).entries(archive), profile, totals)


class _Reader:
    def __init__(self, owner: str, totals: Totals) -> None:
        self._name = owner
        self._user = _user(owner)
        self._totals = totals

    def entries(self, archive: Archive) -> Iterator[Entry]:
        for name in archive.names(r"followers(?:_\d+)?\.json"):
            found = listed(archive, name, archive.read(name), ["relationships_followers"])
            self._totals.followers += len(found)
            yield from entries(found, Listed, lambda entry: self._follow(entry, of_owner=True))
        for name in archive.names(r"following(?:_\d+)?\.json"):
            found = listed(archive, name, archive.read(name), ["relationships_following"])
            self._totals.following += len(found)
            yield from entries(found, Listed, lambda entry: self._follow(entry, of_owner=False))
        for name in archive.names(r"liked_(?:posts|comments)(?:_\d+)?\.json"):
            yield from entries(listed(archive, name, archive.read(name), _LIKES), Listed, self._liked)
        for name in archive.names(r"(?:post|reels)_comments(?:_\d+)?\.json"):
            yield from entries(listed(archive, name, archive.read(name), _COMMENTS), Listed, self._commented)
        for name in archive.names(r"(?:posts_\d+|reels)\.json"):
            found = listed(archive, name, archive.read(name), ["ig_reels_media"])
            self._totals.posts += len(found)
            yield from entries(found, Posted, self._posted)

    def _follow(self, entry: Listed, *, of_owner: bool) -> Entry:
        said = entry.string_list_data[0] if entry.string_list_data else Value()
        # Lists differ in where they have the name.
        name = said.value or entry.title or said.href.rstrip("/").rpartition("/")[2]
        ends = (name, self._name) if of_owner else (self._name, name)
        return self._engaged("follow", ends, said.timestamp, f"{ends[0]}/follow/{ends[1]}".lower())

    def _liked(self, entry: Listed) -> Entry:
        said = entry.string_list_data[0] if entry.string_list_data else Value()
        labels = {label.label: label for label in entry.label_values}
        whose = entry.title or _owner(entry.label_values)
        where = said.href or labels.get("URL", Label()).href or labels.get("URL", Label()).value
        path = where.partition("instagram.com/")[2].strip("/") if len(where) < 256 else ""
        if not path:
            return None, "malformed"
        name = f"{self._name}/like/{path}"
        return self._engaged("like", (self._name, whose), said.timestamp or entry.timestamp, name, f"instagram:{path}")

    def _commented(self, entry: Listed) -> Entry:
        said, whose = entry.string_map_data, entry.string_map_data.get("Media Owner", Value()).value
        time = said.get("Time", Value()).timestamp
        return self._engaged("comment", (self._name, whose), time, f"{self._name}/comment/{time}/{whose}")

    def _posted(self, post: Posted) -> Entry:
        second = post.creation_timestamp or max((media.creation_timestamp for media in post.media), default=0)
        made = f"instagram:{self._name}/post/{second}"
        if not second:
            return None, "malformed"
        return second * 1_000, [Post(made, "instagram", self._user, second * 1_000, object=made)]

    def _engaged(self, kind: Kind, ends: tuple[str, str], second: int, name: str, on: str | None = None) -> Entry:
        actor, target = (end.lower() for end in ends)
        if not second:
            return None, "no_time"
        if not _NAME.fullmatch(actor) or not _NAME.fullmatch(target):
            return second * 1_000, "no_target"
        time = second * 1_000
        return time, [Engagement(f"instagram:{name}", kind, "instagram", _user(actor), _user(target), time, on)]


def _owner(labels: list[Label]) -> str:
    """Return the user name within what is labelled as the owner."""
    waiting = [label for label in labels if label.title == "Owner"]
    while waiting:
        label = waiting.pop()
        if label.label == "Username":
            return label.value
        waiting += label.dict
    return ""


def _user(name: str) -> str:
    return f"instagram:name/{name}"
