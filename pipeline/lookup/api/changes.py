"""Live changes, as Server-Sent Events."""

from typing import Annotated, Final

from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, Parameter, QueryParameter
from litestar.response import Stream

from pipeline.lookup.api.fields import PROBLEMS, Network, checked_user
from pipeline.lookup.api.problems import InvalidFieldError
from pipeline.lookup.api.state import Service
from pipeline.lookup.changes import order
from pipeline.lookup.feed import Feed
from pipeline.lookup.subscriber import Wish

_USERS_LIMIT: Final = 1000
_NO_BUFFERING: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Users = Annotated[
    list[str] | None, Parameter(description="Only these users: separated by commas, or the parameter repeated.")
]
MinDelta = Annotated[
    float, QueryParameter(name="min_delta", ge=0, le=99, description="Least difference to the score sent last.")
]
Snapshot = Annotated[bool, Parameter(description="Send the current documents first.")]
LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="Go on behind this event; a reset when it is lost.")
]


@get(
    "/v1/changes",
    responses={
        200: ResponseSpec(
            str,
            description="Events `snapshot` (a score document), `ready`, `change`, `gone` and `reset`.",
            media_type="text/event-stream",
            generate_examples=False,
        ),
        **PROBLEMS,
    },
)
async def get_changes(
    *,
    service: Service,
    users: Users = None,
    network: Network = None,
    min_delta: MinDelta = 0.0,
    snapshot: Snapshot = False,
    last_event_id: LastEventId = None,
) -> Stream:
    """
    Send each change of a score as it happens.

    A `change` holds user, handle, score, previous, bucket, networks, version, time and as_of.
    After a `reset` the client looks up anew what it needs.
    """
    _checked_id(last_event_id)
    wish = Wish(users=_wanted(users), network=network, min_delta=min_delta)
    # While Redis is away: 503 rather than a silent stream.
    await service.store.ping()
    await service.hub.started()
    feed = Feed(service.hub, service.store, wish)
    return Stream(
        feed.frames(after=last_event_id, snapshot=snapshot), media_type="text/event-stream", headers=_NO_BUFFERING
    )


def _wanted(users: list[str] | None) -> frozenset[str] | None:
    if users is None:
        return None
    wanted = frozenset(user for part in users for user in part.split(",") if user)
    if not 1 <= len(wanted) <= _USERS_LIMIT:
        raise InvalidFieldError("users", f"expected 1 to {_USERS_LIMIT} ids, got {len(wanted)}")
    return frozenset(checked_user("users", user) for user in wanted)


def _checked_id(last_event_id: str | None) -> None:
    if last_event_id is None:
        return
    try:
        order(last_event_id)
    except ValueError as exc:
        raise InvalidFieldError("Last-Event-ID", str(exc)) from exc
