"""What can be asked for: the handlers of all that only reads. Whoever adds a path adds its handler here."""

from typing import Final

from litestar.types import ControllerRouterHandler

from pipeline.lookup.api.asyncapi import get_asyncapi
from pipeline.lookup.api.changes import changes_socket, get_changes
from pipeline.lookup.api.health import get_health, get_metrics, get_readiness
from pipeline.lookup.api.history import get_history
from pipeline.lookup.api.leaderboard import get_leaderboard
from pipeline.lookup.api.scores import post_scores
from pipeline.lookup.api.search import search_users
from pipeline.lookup.api.spikes import get_spikes, spikes_socket
from pipeline.lookup.api.users import get_details, get_influencees, get_influencers, get_moments, get_score, get_user

READS: Final[tuple[ControllerRouterHandler, ...]] = (
    get_user,
    get_score,
    get_details,
    get_moments,
    get_history,
    get_influencers,
    get_influencees,
    search_users,
    post_scores,
    get_leaderboard,
    get_changes,
    changes_socket,
    get_spikes,
    spikes_socket,
    get_health,
    get_readiness,
    get_metrics,
    get_asyncapi,
)
