"""
What an activity means (w3.org/TR/activitystreams-vocabulary). Everything may be a text, an object, or a list of both.

| activity | record |
|---|---|
| Like, EmojiReact | like |
| Announce | share |
| Create with inReplyTo | post and comment |
| Create of a Note, Article, .. | post; for each person mentioned, a comment |
| Follow | follow |
| Undo of one of these | its undo |
| Delete | undo of the note |
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, cast

from agents.activitypub.people import People
from agents.limits import ID_LIMIT, tags_of
from agents.protocol import Deletion, Item
from schemas import Engagement, Kind, Post

_NOTES: Final = {"Note", "Article", "Question", "Page", "Video", "Image", "Event"}
_REACTIONS: Final[dict[str, Kind]] = {"Like": "like", "EmojiReact": "like", "Announce": "share"}
_MENTIONS: Final = 8

Thing = Mapping[str, object]


def kinds(value: object) -> set[str]:
    """Return the types of a thing: one, or several."""
    found = value.get("type") if isinstance(value, Mapping) else None
    return {text for text in (found if isinstance(found, list) else [found]) if isinstance(text, str)}


def ids(value: object) -> Iterator[str]:
    """Yield the ids in a text, an object, or a list of both."""
    for part in value if isinstance(value, list) else [value]:
        name = part.get("id") if isinstance(part, Mapping) else part
        if isinstance(name, str):
            yield name


def first(value: object) -> str:
    """Return the first id, or nothing."""
    return next(ids(value), "")


def _things(value: object) -> list[Thing]:
    found = [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Mapping)]
    return cast("list[Thing]", found)


async def read(activity: Thing, actor: str, people: People, now: int) -> list[Item] | str:
    """
    Return what an activity publishes or, in one word, why it publishes nothing.

    Args:
        activity: Of any shape; that its actor signed it has been verified.
        actor: The user who signed it.
        people: Who is behind an address.
        now: Unix ms.
    """
    types = kinds(activity)
    for name in sorted(types & _REACTIONS.keys()):
        return await _reacted(_REACTIONS[name], activity, actor, people, now)
    if "Follow" in types:
        return await _followed(activity, actor, people, now)
    if "Create" in types:
        return await _created(activity, actor, people, now)
    if "Undo" in types:
        return await _undone(activity, actor, people, now)
    return _deleted(activity) if "Delete" in types else "other_activity"


async def _reacted(kind: Kind, activity: Thing, actor: str, people: People, now: int) -> list[Item] | str:
    items: list[Item] = []
    for on in dict.fromkeys(ids(activity.get("object"))):
        target = await people.author(on)
        if target is None or target == actor:
            continue
        name = f"mastodon:{actor[9:]}/{kind}/{on}"
        if len(name) <= ID_LIMIT:
            items.append(Engagement(name, kind, "mastodon", actor, target, _time(activity, now), on))
    return items or "no_target"


async def _followed(activity: Thing, actor: str, people: People, now: int) -> list[Item] | str:
    items: list[Item] = []
    for whom in dict.fromkeys(ids(activity.get("object"))):
        target = await people.user(whom)
        if target is not None and target != actor:
            name = f"mastodon:{actor[9:]}/follow/{target[9:]}"
            items.append(Engagement(name, "follow", "mastodon", actor, target, _time(activity, now)))
    return items or "no_target"


async def _created(activity: Thing, actor: str, people: People, now: int) -> list[Item] | str:
    note = next((thing for thing in _things(activity.get("object")) if kinds(thing) & _NOTES), None)
    url = first(note)
    if note is None or not url or len(url) > ID_LIMIT // 2:
        return "no_note"
    time, made = _time(note, now), f"mastodon:{url}"
    named = _things(note.get("tag"))
    hashtags = tags_of(str(tag.get("name", "")).lstrip("#") for tag in named if "Hashtag" in kinds(tag))
    post = Post(id=made, network="mastodon", author=actor, time=time, object=url, tags=hashtags)
    parent = first(note.get("inReplyTo"))
    whom: list[tuple[str, str | None, str | None]]
    if parent:
        whom = [("#reply", await people.author(parent), parent)]
    else:
        hrefs = [tag["href"] for tag in named if "Mention" in kinds(tag) and isinstance(tag.get("href"), str)]
        whom = [
            (f"#mention/{n}", await people.user(str(href)), None)
            for n, href in enumerate(dict.fromkeys(hrefs[:_MENTIONS]))
        ]
    comments = [
        Engagement(made + part, "comment", "mastodon", actor, target, time, on)
        for part, target, on in whom
        if target is not None and target != actor and len(on or "") <= ID_LIMIT
    ]
    return [post, *comments]


async def _undone(activity: Thing, actor: str, people: People, now: int) -> list[Item] | str:
    inner = next(iter(_things(activity.get("object"))), None)
    if inner is None:
        return "undo_unknown"
    if first(inner.get("actor")) not in {"", first(activity.get("actor"))}:
        return "not_theirs"
    fate: list[Item] | str = "other_activity"
    for name in sorted(kinds(inner) & _REACTIONS.keys()):
        fate = await _reacted(_REACTIONS[name], inner, actor, people, now)
    if "Follow" in kinds(inner):
        fate = await _followed(inner, actor, people, now)
    if isinstance(fate, str):
        return fate
    # The memory gives the original's time and stamps.
    return [Deletion((item.id,)) for item in fate if isinstance(item, Engagement)]


def _deleted(activity: Thing) -> list[Item] | str:
    url, actor = first(activity.get("object")), first(activity.get("actor"))
    if not url or url == actor:
        return "no_note"
    if url.split("/")[:3] != actor.split("/")[:3]:
        return "not_theirs"
    made = f"mastodon:{url}"
    return [Deletion((made, f"{made}#reply", *(f"{made}#mention/{n}" for n in range(_MENTIONS))))]


def _time(thing: Thing, now: int) -> int:
    published = thing.get("published")
    if not isinstance(published, str):
        return now
    try:
        moment = datetime.fromisoformat(published)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return now
