"""The wire contract: what travels through the topics, Redis and the API."""

from schemas.dead_letter import DeadLetter, Reason
from schemas.details import Contribution, Details, TopActor, TopPost, TopTag
from schemas.engagement import KINDS, Engagement, Kind
from schemas.identity import Identity
from schemas.ids import is_user_id, native_of, network_of
from schemas.post import Post
from schemas.profile import Profile
from schemas.score import Counts, Factors, NetworkScore, ScoreDocument, Windows
from schemas.spike import Spike
from schemas.tick import Tick

__all__ = [
    "KINDS",
    "Contribution",
    "Counts",
    "DeadLetter",
    "Details",
    "Engagement",
    "Factors",
    "Identity",
    "Kind",
    "NetworkScore",
    "Post",
    "Profile",
    "Reason",
    "ScoreDocument",
    "Spike",
    "Tick",
    "TopActor",
    "TopPost",
    "TopTag",
    "Windows",
    "is_user_id",
    "native_of",
    "network_of",
]
