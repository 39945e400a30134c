"""
What Mastodon's entities mean.

| entity | record |
|---|---|
| status | post; if it answers one, a comment; if it starts a thread, a comment for each person mentioned |
| boost | share |
| notification of a favourite, boost, follow | like, share, follow |
| notification of a mention | what its status is |
| deletion of a status | undo |

Likes, boosts and follows are named by who and what, so that what comes by two ways counts once.
"""

from datetime import UTC, datetime
from typing import Final

from agents.limits import ID_LIMIT, TEXT_LIMIT, tags_of
from agents.mastodon.entities import Account, Notification, Status
from agents.protocol import Deletion, Item
from schemas import Engagement, Kind, Post, Profile

_MENTIONS: Final = 8
"""Mentions of one status that count: who names more people means none of them."""


class Server:
    """Maps what one server says; people here have no server in their name there."""

    def __init__(self, domain: str) -> None:
        self.domain = domain

    def user(self, acct: str) -> str:
        """Return the user of an account's name."""
        name = acct.lower()
        return f"mastodon:{name if '@' in name else f'{name}@{self.domain}'}"

    def notification(self, said: Notification) -> list[Item] | str:
        """Return what a notification publishes, or why it publishes nothing."""
        time = _ms(said.created_at)
        profile = self._profile(said.account, time)
        if said.status is None:
            return "other_notification"
        if said.type == "favourite":
            return self._checked([profile, self._reacted("like", said.account, said.status, time)])
        if said.type == "reblog":
            return self._checked([profile, self._reacted("share", said.account, said.status, time)])
        if said.type in {"mention", "status", "quote"}:
            return self.status(said.status)
        return "other_notification"

    def followed(self, said: Notification, whom: str) -> list[Item] | str:
        """Return the follow of the token's account `whom`."""
        time = _ms(said.created_at)
        actor, target = self.user(said.account.acct), self.user(whom)
        follow = Engagement(f"mastodon:{actor[9:]}/follow/{target[9:]}", "follow", "mastodon", actor, target, time)
        return self._checked([self._profile(said.account, time), follow])

    def status(self, status: Status) -> list[Item] | str:
        """Return what a status publishes, or why it publishes nothing."""
        time = _ms(status.created_at)
        profile = self._profile(status.account, time)
        if status.reblog is not None:
            return self._checked([profile, self._reacted("share", status.account, status.reblog, time)])
        made, author = self._made(status.id), self.user(status.account.acct)
        tags = tags_of(tag.name for tag in status.tags)
        post = Post(id=made, network="mastodon", author=author, time=time, object=status.uri, tags=tags)
        answered = [m for m in status.mentions if m.id == status.in_reply_to_account_id]
        whom = answered or ([] if status.in_reply_to_account_id else status.mentions[:_MENTIONS])
        part = "#reply" if answered else "#mention"
        comments = [
            Engagement(f"{made}{part}/{n}", "comment", "mastodon", author, self.user(mention.acct), time)
            for n, mention in enumerate(whom)
        ]
        return self._checked([profile, post, *comments])

    def deleted(self, status_id: str) -> list[Item]:
        """Return the deletion of whatever a status had become."""
        made = self._made(status_id)
        mentions = (f"{made}#mention/{n}" for n in range(_MENTIONS))
        return [Deletion((made, f"{made}#reply/0", *mentions))]

    def _made(self, status_id: str) -> str:
        return f"mastodon:{self.domain}/status/{status_id}"

    def _reacted(self, kind: Kind, account: Account, status: Status, time: int) -> Engagement:
        actor, target = self.user(account.acct), self.user(status.account.acct)
        name = f"mastodon:{actor[9:]}/{kind}/{status.uri}"
        return Engagement(name, kind, "mastodon", actor, target, time, status.uri)

    def _checked(self, items: list[Item]) -> list[Item] | str:
        kept = [item for item in items if not isinstance(item, Engagement) or item.actor != item.target]
        counted = [item for item in kept if isinstance(item, Engagement | Post)]
        if any(max(len(item.id), len(item.object or "")) > ID_LIMIT for item in counted):
            return "id_too_long"
        return kept if counted else "self"

    def _profile(self, account: Account, time: int) -> Profile:
        return Profile(
            user=self.user(account.acct),
            network="mastodon",
            time=time,
            name=account.display_name[:TEXT_LIMIT] or None,
            handle=self.user(account.acct)[9 : 9 + TEXT_LIMIT],
            url=account.url and account.url[:TEXT_LIMIT],
            avatar=account.avatar and account.avatar[:TEXT_LIMIT],
            followers=account.followers_count,
            following=account.following_count,
            posts=account.statuses_count,
        )


def _ms(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
