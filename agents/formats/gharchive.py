"""
GH Archive: an hour of GitHub's public events, one JSON object a line (gharchive.org).

| event | record |
|---|---|
| WatchEvent | like: the star of a repository |
| ForkEvent | share |
| comments on issues, commits, pull requests; reviews | comment, for whom is answered |
| ReleaseEvent | post |

Users are logins in small letters: the archive names a repository's owner no other way. Ids are those of the webhooks.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from agents.formats.base import EventLines
from agents.limits import ID_LIMIT
from agents.protocol import Item
from schemas import Engagement, Kind, Post

_ACTIONS: Final = {None, "created", "started", "published", "submitted"}
"""What is edited or deleted later is not in the archive as such."""


class Account(msgspec.Struct, gc=False):
    """Somebody."""

    login: str
    id: int = 0


class Repo(msgspec.Struct, gc=False):
    """A repository; its name is OWNER/NAME."""

    name: str
    id: int = 0


class Part(msgspec.Struct, gc=False):
    """A comment, a review, an issue, a pull request, a fork or a release."""

    id: int | None = None
    user: Account | None = None


class Payload(msgspec.Struct, gc=False):
    """What an event is about; which fields there are depends on its type."""

    action: str | None = None
    comment: Part | None = None
    review: Part | None = None
    issue: Part | None = None
    pull_request: Part | None = None
    release: Part | None = None
    forkee: Part | None = None


class Event(msgspec.Struct, gc=False):
    """One line."""

    id: str
    type: str
    actor: Account
    repo: Repo
    created_at: datetime
    payload: msgspec.Raw = msgspec.Raw(b"{}")


_event = msgspec.json.Decoder(Event).decode
_payload = msgspec.json.Decoder(Payload).decode

_ANSWERS: Final = {
    "IssueCommentEvent": ("issue_comment", "issue"),
    "CommitCommentEvent": ("commit_comment", "commit"),
    "PullRequestReviewEvent": ("review", "pull_request"),
    "PullRequestReviewCommentEvent": ("review_comment", "pull_request"),
}
"""What makes a comment, and what it answers."""
_TYPES: Final = {"WatchEvent", "ForkEvent", "ReleaseEvent", *_ANSWERS}


class GhArchive(EventLines):
    """Reads events."""

    expected = 'an event of GH Archive, {"id": "..", "type": "WatchEvent", "actor": .., "repo": .., "created_at": ".."}'

    def time(self, line: bytes) -> int | None:
        """Return the time of an event."""
        try:
            return _ms(_event(line).created_at)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def read(self, line: bytes) -> tuple[int, list[Item] | str] | None:
        """Read an event."""
        try:
            event = _event(line)
            time = _ms(event.created_at) + self._shift
            fate = _read(event, time) if event.type in _TYPES else "other_type"
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return time, fate if isinstance(fate, str) else [fate]


def _read(event: Event, time: int) -> Item | str:
    said = _payload(event.payload)
    owner, repository = event.repo.name.partition("/")[0].lower(), f"github:repository/{event.repo.id}"
    if said.action not in _ACTIONS:
        return "other_action"
    if event.type in _ANSWERS:
        return _answered(event, said, owner, time)
    if event.type == "WatchEvent":
        return _engaged(event, "like", f"star/{event.actor.id}/{event.repo.id}", owner, repository, time)
    if event.type == "ForkEvent":
        return _engaged(event, "share", f"fork/{_id(said.forkee, event)}", owner, repository, time)
    name = f"github:release/{_id(said.release, event)}"
    return Post(id=name, network="github", author=f"github:{owner}", time=time, object=name) if owner else "malformed"


def _answered(event: Event, said: Payload, owner: str, time: int) -> Item | str:
    name, what = _ANSWERS[event.type]
    on = said.issue if what == "issue" else said.pull_request
    made = said.review if name == "review" else said.comment
    whom = on.user.login if on and on.user else owner
    about = f"github:{what}/{on.id}" if on and on.id else f"github:repository/{event.repo.id}"
    return _engaged(event, "comment", f"{name}/{_id(made, event)}", whom, about, time)


def _id(part: Part | None, event: Event) -> str:
    return str(part.id) if part and part.id else f"event-{event.id}"


def _engaged(event: Event, kind: Kind, name: str, target: str, on: str, time: int) -> Item | str:
    actor, target = event.actor.login.lower(), target.lower()
    if not actor or not target or max(len(actor), len(target), len(name)) > ID_LIMIT // 2:
        return "malformed"
    if actor == target:
        return "self"
    return Engagement(f"github:{name}", kind, "github", f"github:{actor}", f"github:{target}", time, on)


def _ms(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
