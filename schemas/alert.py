"""Alert rules, the channels they speak through, silences and acknowledgements."""

from typing import Annotated, Literal

import msgspec

from schemas.engagement import Id, Time
from schemas.subscription import Url

Occasion = Literal["rise", "drop", "silent_agent"]
"""What a rule listens to: spikes up or down, and agents whose ticks stay away."""

Level = Annotated[int, msgspec.Meta(ge=1, le=5)]
"""How far a spike stands out: 1 to 5."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_.-]+$")]


class WebhookChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="webhook"):
    """A webhook, signed by Standard Webhooks."""

    url: Url
    secret: str = ""
    """`whsec_` and Base64; where it is left out on the way in, one is made."""


class SlackChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="slack"):
    """An incoming webhook as Slack and Mattermost have it."""

    url: Url


class DiscordChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="discord"):
    """A webhook of Discord."""

    url: Url


class AlertmanagerChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="alertmanager"):
    """Prometheus Alertmanager, by its base address."""

    url: Url


class EmailChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="email"):
    """E-mail through the deployment's SMTP server."""

    to: Annotated[list[Annotated[str, msgspec.Meta(pattern="^[^@\\s,<>]+@[^@\\s,<>]+$")]], msgspec.Meta(min_length=1)]


class KafkaChannel(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="kafka"):
    """A topic of the same cluster."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=249, pattern="^[A-Za-z0-9._-]+$")]


Channel = WebhookChannel | SlackChannel | DiscordChannel | AlertmanagerChannel | EmailChannel | KafkaChannel


class AlertRule(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="rule"):
    """When to tell whom."""

    id: Id
    owner: Id
    """The key whose it is, or `file` for rules of the rules file."""
    name: Name
    channels: Annotated[list[Channel], msgspec.Meta(min_length=1, max_length=8)]
    occasions: Annotated[tuple[Occasion, ...], msgspec.Meta(min_length=1)] = ("rise",)
    users: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=10_000)] | None = None
    """Only these; None stands for everyone."""
    above_score: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    """Only users whose score is at least this."""
    networks: list[str] | None = None
    level: Level = 1
    """The least level."""
    authenticity: Literal["organic", "suspicious"] = "suspicious"
    """The least authenticity: `organic` leaves suspicious spikes out."""
    group_by: Literal["rule", "user"] = "user"
    group_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    """After a notification the group's further alerts wait this long and go out as one."""
    tell_closed: bool = True
    """Tell when a spike that was told of has closed."""


class Silence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="silence"):
    """Nothing is sent that matches, until a moment; it is recorded."""

    id: Id
    owner: Id
    until: Time
    rule: Name | None = None
    user: Id | None = None
    network: str | None = None
    comment: Annotated[str, msgspec.Meta(max_length=512)] = ""


class Acknowledgement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="ack"):
    """Someone cares for an alert: nothing more is sent of this spike by this owner's rules."""

    id: Id
    owner: Id
    spike: Id
    time: Time
    comment: Annotated[str, msgspec.Meta(max_length=512)] = ""
