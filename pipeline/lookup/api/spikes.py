"""Live spikes, as Server-Sent Events or over a WebSocket."""

from litestar import get, websocket
from litestar.response import Stream

from pipeline.lookup.api.changes import LastEventId, Users
from pipeline.lookup.api.fields import PROBLEMS, Network, checked_network, checked_resume, checked_users
from pipeline.lookup.api.sockets import AnySocket, serve
from pipeline.lookup.api.sse import event_stream, stream
from pipeline.lookup.api.state import Service
from pipeline.lookup.feed import Feed
from pipeline.lookup.subscriber import Wish


@get("/v1/spikes", responses={200: event_stream("Events `spike` and `reset`."), **PROBLEMS})
async def get_spikes(
    *, service: Service, users: Users = None, network: Network = None, last_event_id: LastEventId = None
) -> Stream:
    """
    Send each spike as it opens, grows and closes.

    A slow client gets the latest of each spike.
    """
    after = checked_resume("Last-Event-ID", last_event_id)
    feed = Feed(service.spikes, Wish(checked_users(users), network), "sse", service.store)
    return await stream(service, service.spikes, feed, after=after)


@websocket("/v1/spikes/ws")
async def spikes_socket(socket: AnySocket, service: Service) -> None:
    """Send the same over a WebSocket; `last_event_id` resumes."""

    def open_feed() -> tuple[Feed, str | None, bool]:
        query = socket.query_params
        wish = Wish(checked_users(query.getall("users", None)), checked_network(query.get("network")))
        feed = Feed(service.spikes, wish, "websocket", service.store)
        return feed, checked_resume("last_event_id", query.get("last_event_id")), False

    await serve(socket, service, service.spikes, open_feed)
