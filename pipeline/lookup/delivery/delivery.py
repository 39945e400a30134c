"""A delivery: one message on its way through one channel."""

import hashlib
from typing import Literal

import msgspec

from schemas import (
    AlertmanagerChannel,
    Channel,
    DiscordChannel,
    EmailChannel,
    KafkaChannel,
    SlackChannel,
    WebhookChannel,
)

Status = Literal["waiting", "delivered", "failed", "dropped"]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt to deliver: when (Unix ms), and what came of it."""

    time: int
    detail: str


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A message for one channel. Its id is what receivers know repeats by: the same event has the same id, always."""

    id: str
    owner: str
    source: str
    """The id of the subscription or rule that wants it."""
    channel: Channel
    body: str
    """What is sent: JSON, or for e-mail the text."""
    subject: str
    created: int
    status: Status = "waiting"
    attempts: list[Attempt] = []

    @property
    def destination(self) -> str:
        """What shares a fate with this delivery: deliveries to one destination go out one group after another."""
        match self.channel:
            case WebhookChannel() | SlackChannel() | DiscordChannel() | AlertmanagerChannel():
                place = self.channel.url
            case EmailChannel():
                place = "email"
            case KafkaChannel():
                place = f"kafka {self.channel.topic}"
        return hashlib.sha256(f"{self.source} {place}".encode()).hexdigest()[:24]


def message_id(*parts: object) -> str:
    """Return the id of a message that is known by these parts: the same each time."""
    return "msg_" + hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]
