"""
The Takeout of Google+, as JSON: a document for each post, with who answered, gave a +1 and passed it on.

| part of a document | record |
|---|---|
| the post | post; a share of the post that it passes on |
| comments | comment, with the time of each |
| plusOnes, reshares | like, share: with the time of the post, for their own is not in it |

Google+ ended in 2019: only `--shift` brings its events into the windows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from agents.exports.archive import Archive
from agents.exports.source import Entry, Made
from schemas import Engagement, Kind, Post


class Person(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An account; its resource name is users/NUMBER."""

    resource_name: str = ""
    profile_page_url: str = ""


class Comment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A comment."""

    creation_time: str
    author: Person
    resource_name: str = ""


class PlusOne(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A +1."""

    plus_oner: Person


class Reshare(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Somebody passed the post on."""

    resharer: Person


class Shared(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The post that this one passes on."""

    author: Person = Person()
    resource_name: str = ""
    url: str = ""


class Activity(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A post; what people did to it is decoded one by one, so that a wrong one does not take the others with it."""

    creation_time: str
    author: Person
    resource_name: str = ""
    url: str = ""
    reshared_post: Shared | None = None
    comments: list[msgspec.Raw] = []
    plus_ones: list[msgspec.Raw] = []
    reshares: list[msgspec.Raw] = []


_BAD = (msgspec.MsgspecError, UnicodeError, RecursionError)
_activity = msgspec.json.Decoder(Activity).decode
_comment = msgspec.json.Decoder(Comment).decode
_plus_one = msgspec.json.Decoder(PlusOne).decode
_reshare = msgspec.json.Decoder(Reshare).decode


def read(archive: Archive) -> Iterator[Entry]:
    """Yield what a Takeout holds."""
    names = archive.names(r"Google\+ (?:Stream|Communities/[^/]+)/Posts/[^/]+\.json")
    if not names:
        raise archive.lacks("a Takeout of Google+ in JSON (not HTML) with Google+ Stream/Posts/*.json")
    for name in names:
        try:
            post = _activity(archive.read(name))
        except _BAD as exc:
            raise archive.wrong(name, "a post of Google+", str(exc)) from exc
        yield from _post(post)


def _post(post: Activity) -> Iterator[Entry]:
    time, author, made = _ms(post.creation_time), _user(post.author), _named(post.resource_name or post.url)
    if time is None or not author or not made:
        yield None, "malformed"
        return
    records: list[Made] = [Post(made, "googleplus", author, time, object=made)]
    shared = post.reshared_post
    if shared and _user(shared.author):
        on = _named(shared.resource_name or shared.url) or None
        records.append(Engagement(f"{made}#reshare", "share", "googleplus", author, _user(shared.author), time, on))
    yield time, records

    def engaged(kind: Kind, person: Person, name: str, when: int | None) -> Entry:
        actor = _user(person)
        if not actor or when is None:
            return None, "malformed"
        return when, [Engagement(name, kind, "googleplus", actor, author, when, made)]

    for raw in post.comments:
        try:
            comment = _comment(raw)
        except _BAD:
            yield None, "malformed"
            continue
        name = _named(comment.resource_name) or f"{made}#comment/{_user(comment.author)[11:]}/{comment.creation_time}"
        yield engaged("comment", comment.author, name, _ms(comment.creation_time))
    for raw in post.plus_ones:
        try:
            person = _plus_one(raw).plus_oner
        except _BAD:
            yield None, "malformed"
            continue
        yield engaged("like", person, f"{made}#plusone/{_user(person)[11:]}", time)
    for raw in post.reshares:
        try:
            person = _reshare(raw).resharer
        except _BAD:
            yield None, "malformed"
            continue
        yield engaged("share", person, f"{made}#reshared/{_user(person)[11:]}", time)


def _user(person: Person) -> str:
    """Return a user; the address of a profile ends with the same number, or with a name."""
    native = person.resource_name.removeprefix("users/") or person.profile_page_url.rstrip("/").rpartition("/")[2]
    return f"googleplus:{native}" if native else ""


def _named(name: str) -> str:
    return f"googleplus:{name.removeprefix('https://plus.google.com/')}" if name else ""


def _ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
