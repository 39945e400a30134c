"""Mastodon's entities, as far as they matter (docs.joinmastodon.org/entities)."""

from datetime import datetime

import msgspec


class Account(msgspec.Struct, gc=False):
    """Somebody, as this server knows them."""

    id: str
    acct: str
    """The name; of people elsewhere name@server."""
    display_name: str = ""
    url: str | None = None
    avatar: str | None = None
    followers_count: int | None = None
    following_count: int | None = None
    statuses_count: int | None = None


class Mention(msgspec.Struct, gc=False):
    """Somebody whom a status names."""

    id: str
    acct: str


class Tag(msgspec.Struct, gc=False):
    """A hashtag."""

    name: str


class Status(msgspec.Struct, gc=False):
    """A post, or the boost of one."""

    id: str
    uri: str
    created_at: datetime
    account: Account
    in_reply_to_account_id: str | None = None
    reblog: "Status | None" = None
    mentions: list[Mention] = []
    tags: list[Tag] = []


class Notification(msgspec.Struct, gc=False):
    """What somebody did to the token's account."""

    id: str
    type: str
    created_at: datetime
    account: Account
    status: Status | None = None


class Event(msgspec.Struct, gc=False):
    """A message of the stream; the payload is JSON in a text."""

    event: str
    payload: str = ""
    stream: list[str] = []


class Urls(msgspec.Struct):
    """Where parts of a server are."""

    streaming: str = ""
    """wss://host"""


class Configuration(msgspec.Struct):
    """How a server is set up."""

    urls: Urls = msgspec.field(default_factory=Urls)


class Instance(msgspec.Struct):
    """What a server says of itself."""

    configuration: Configuration = msgspec.field(default_factory=Configuration)
