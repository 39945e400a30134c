"""The wire contract: what travels through the topics, Redis and the API."""

from schemas.alert import (
    Acknowledgement,
    AlertmanagerChannel,
    AlertRule,
    Channel,
    DiscordChannel,
    EmailChannel,
    KafkaChannel,
    Silence,
    SlackChannel,
    WebhookChannel,
)
from schemas.change import Change, Gone, Reset
from schemas.contribution import AccountContribution, Levels
from schemas.control import ApiKey, Control, Forgotten, KeySecret, Override, Scope
from schemas.dead_letter import DeadLetter, Reason
from schemas.details import (
    Advice,
    Contribution,
    Details,
    Discount,
    Fading,
    Moment,
    NetworkPoints,
    TopActor,
    TopPost,
    TopTag,
)
from schemas.engagement import KINDS, Engagement, Kind
from schemas.history import HistoryPoint, Resolution
from schemas.identity import Identity
from schemas.ids import is_user_id, native_of, network_of
from schemas.post import Post
from schemas.profile import Profile
from schemas.score import Counts, Factors, NetworkScore, ScoreDocument, Windows
from schemas.spike import Spike
from schemas.subscription import EventKind, Subscription
from schemas.tick import Tick

__all__ = [
    "KINDS",
    "AccountContribution",
    "Acknowledgement",
    "Advice",
    "AlertRule",
    "AlertmanagerChannel",
    "ApiKey",
    "Change",
    "Channel",
    "Contribution",
    "Control",
    "Counts",
    "DeadLetter",
    "Details",
    "DiscordChannel",
    "Discount",
    "EmailChannel",
    "Engagement",
    "EventKind",
    "Factors",
    "Fading",
    "Forgotten",
    "Gone",
    "HistoryPoint",
    "Identity",
    "KafkaChannel",
    "KeySecret",
    "Kind",
    "Levels",
    "Moment",
    "NetworkPoints",
    "NetworkScore",
    "Override",
    "Post",
    "Profile",
    "Reason",
    "Reset",
    "Resolution",
    "Scope",
    "ScoreDocument",
    "Silence",
    "SlackChannel",
    "Spike",
    "Subscription",
    "Tick",
    "TopActor",
    "TopPost",
    "TopTag",
    "WebhookChannel",
    "Windows",
    "is_user_id",
    "native_of",
    "network_of",
]
