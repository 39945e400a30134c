"""
The copy of one's information that Facebook gives, as JSON.

| document | record |
|---|---|
| posts | post |
| reactions, comments | like, comment, where the English title says whose post or comment it was |
| friends | follow in both directions, at the time of the friendship |
| followers, followed | follow, where there is a time |

People have no ids there, only names: users are `facebook:name/NAME`, and two of one name are one.
What others did to the posts is not in it.
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

_WHOSE: Final = re.compile(r"[a-z]+(?: to| on)? (?P<name>.{1,200}?)['\u2019]s? [a-z ]{1,40}\.?", re.DOTALL)
"""What follows one's own name in a title: "likes Grace Hopper's post."."""
_REACTIONS: Final = r"likes_and_reactions(?:_\d+)?\.json|(?:comments|likes)_and_reactions/posts_and_comments\.json"
_OWN: Final = re.compile(r"[a-z]+(?: to| on)? (?:his|her|their|your) own ")


class Name(msgspec.Struct, frozen=True, gc=False):
    """A name in its parts."""

    full_name: str


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Whose export it is."""

    name: Name
    profile_uri: str | None = None


class ProfileDocument(msgspec.Struct, frozen=True, gc=False):
    """profile_information.json."""

    profile_v2: Owner


class Action(msgspec.Struct, frozen=True, gc=False):
    """A reaction or a comment: the title says in a sentence what was done to whom."""

    timestamp: int
    title: str = ""


class Person(msgspec.Struct, frozen=True, gc=False):
    """A friend, or somebody who follows or is followed."""

    name: str
    timestamp: int = 0


def read(archive: Archive) -> Iterator[Entry]:
    """Yield what an export holds."""
    expected = "an export of Facebook in JSON (not HTML) with profile_information.json, which says whose it is"
    owner = document(archive, r"profile_information\.json", ProfileDocument, expected).profile_v2
    name = mended(owner.name.full_name)
    totals = Totals()
    url = owner.profile_uri and owner.profile_uri[:TEXT_LIMIT]
    profile = Profile(_user(name), "facebook", 0, name=name[:TEXT_LIMIT], url=url)
    yield from last_of_all(_Reader(name, totals).entries(archive), profile, totals)


class _Reader:
    def __init__(self, owner: str, totals: Totals) -> None:
        self._name = owner
        self._user = _user(owner)
        self._totals = totals

    def entries(self, archive: Archive) -> Iterator[Entry]:
        for name in archive.names(r"posts/your_posts(?:__check_ins__photos_and_videos)?_\d+\.json"):
            posts = listed(archive, name, archive.read(name))
            self._totals.posts += len(posts)
            yield from entries(posts, Action, self._posted)
        for name in archive.names(_REACTIONS):
            found = listed(archive, name, archive.read(name), ["reactions_v2", "reactions"])
            yield from entries(found, Action, lambda action: self._did("like", action))
        for name in archive.names(r"(?:comments_and_reactions|comments)/comments(?:_\d+)?\.json"):
            found = listed(archive, name, archive.read(name), ["comments_v2", "comments"])
            yield from entries(found, Action, lambda action: self._did("comment", action))
        yield from self._people(archive)

    def _people(self, archive: Archive) -> Iterator[Entry]:
        for name in archive.names(r"(?:friends|your_friends)\.json"):
            found = listed(archive, name, archive.read(name), ["friends_v2", "friends"])
            self._totals.followers += len(found)
            self._totals.following += len(found)
            yield from entries(found, Person, lambda person: self._follow(person, to=True, fro=True))
        for name in archive.names(r"people_who_followed_you\.json"):
            found = listed(archive, name, archive.read(name), ["followers_v3", "followers_v2"])
            self._totals.followers += len(found)
            yield from entries(found, Person, lambda person: self._follow(person, to=True))
        for name in archive.names(r"(?:who_you_follow|who_you.{1,3}ve_followed)\.json"):
            found = listed(archive, name, archive.read(name), ["following_v3", "following_v2"])
            self._totals.following += len(found)
            yield from entries(found, Person, lambda person: self._follow(person, fro=True))

    def _posted(self, post: Action) -> Entry:
        made = f"facebook:{self._user[9:]}/post/{post.timestamp}"
        return post.timestamp * 1_000, [Post(made, "facebook", self._user, post.timestamp * 1_000, object=made)]

    def _did(self, kind: Kind, action: Action) -> Entry:
        time, said = action.timestamp * 1_000, mended(action.title).removeprefix(f"{self._name} ")
        if _OWN.match(said):
            return time, "self"
        whose = _WHOSE.fullmatch(said)
        if whose is None:
            return time, "no_target"
        made = f"facebook:{self._user[9:]}/{kind}/{action.timestamp}/{whose['name']}"
        return time, [Engagement(made, kind, "facebook", self._user, _user(whose["name"]), time)]

    def _follow(self, person: Person, *, to: bool = False, fro: bool = False) -> Entry:
        if not person.timestamp:
            return None, "follow_without_time"
        other, time = _user(mended(person.name)), person.timestamp * 1_000
        ends = [*([(other, self._user)] if to else []), *([(self._user, other)] if fro else [])]
        return time, [
            Engagement(f"facebook:{actor[9:]}/follow/{target[9:]}", "follow", "facebook", actor, target, time)
            for actor, target in ends
        ]


def _user(name: str) -> str:
    return f"facebook:name/{name}"
