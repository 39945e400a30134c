"""Live changes of scores, as Server-Sent Events or over a WebSocket."""

from typing import Annotated

from litestar import get, websocket
from litestar.params import HeaderParameter, Parameter, QueryParameter
from litestar.response import Stream

from pipeline.lookup.api.fields import PROBLEMS, Network, checked_network, checked_number, checked_resume, checked_users
from pipeline.lookup.api.sockets import AnySocket, serve
from pipeline.lookup.api.sse import event_stream, stream
from pipeline.lookup.api.state import Service
from pipeline.lookup.feed import Feed
from pipeline.lookup.subscriber import Wish

_GREATEST_DELTA = 99.0

Users = Annotated[
    list[str] | None, Parameter(description="Only these users: separated by commas, or the parameter repeated.")
]
MinDelta = Annotated[
    float,
    QueryParameter(
        name="min_delta", ge=0, le=_GREATEST_DELTA, description="Least difference to the score that you were sent last."
    ),
]
Crossings = Annotated[bool, Parameter(description="Only changes into another bucket than the one you were sent last.")]
Snapshot = Annotated[bool, Parameter(description="Send the current documents first.")]
LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="Go on behind this event; a reset when it is lost.")
]


@get(
    "/v1/changes",
    responses={200: event_stream("Events `snapshot`, `ready`, `change`, `gone` and `reset`."), **PROBLEMS},
)
async def get_changes(
    *,
    service: Service,
    users: Users = None,
    network: Network = None,
    min_delta: MinDelta = 0.0,
    crossings: Crossings = False,
    snapshot: Snapshot = False,
    last_event_id: LastEventId = None,
) -> Stream:
    """
    Send each change of a score as it happens.

    A `change` holds user, handle, score, previous, bucket, networks, version, time and as_of.
    After a `reset` the client looks up anew what it needs.
    """
    after = checked_resume("Last-Event-ID", last_event_id)
    wish = Wish(checked_users(users), network, min_delta, crossings)
    feed = Feed(service.changes, wish, "sse", service.store)
    return await stream(service, service.changes, feed, after=after, snapshot=snapshot)


@websocket("/v1/changes/ws")
async def changes_socket(socket: AnySocket, service: Service) -> None:
    """Send the same over a WebSocket; `last_event_id` resumes."""

    def open_feed() -> tuple[Feed, str | None, bool]:
        query = socket.query_params
        wish = Wish(
            checked_users(query.getall("users", None)),
            checked_network(query.get("network")),
            checked_number("min_delta", query.get("min_delta", "0"), 0.0, _GREATEST_DELTA),
            query.get("crossings") in _TRUE,
        )
        feed = Feed(service.changes, wish, "websocket", service.store)
        return feed, checked_resume("last_event_id", query.get("last_event_id")), query.get("snapshot") in _TRUE

    await serve(socket, service, service.changes, open_feed)


_TRUE = frozenset({"1", "true"})
