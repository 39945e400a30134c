"""Changes and spikes over WebSockets, and spikes as Server-Sent Events."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
import redis
from websockets.sync.client import ClientConnection, connect

from pipeline.lookup import keys
from schemas import Spike
from tests.integration.test_lookup_api import store
from tests.integration.test_lookup_changes import listen
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration


@pytest.fixture
def serve(cluster: Cluster, redis_url: str) -> Role:
    """A lookup service beside streams that have begun."""
    store(redis_url, [score_bytes("x:first")])
    return cluster.start("serve").wait_ready()


def dial(serve: Role, path: str) -> ClientConnection:
    """Open a WebSocket."""
    return connect(serve.url.replace("http", "ws") + path, open_timeout=60, close_timeout=60)


def take(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return message


def tell(redis_url: str, *spikes: Spike) -> None:
    """Put spikes into the stream, as the sink does."""
    with redis.Redis.from_url(redis_url) as direct:
        for spike in spikes:
            direct.xadd(keys.SPIKES, {"spike": msgspec.json.encode(spike)})


def spike(user: str, level: int = 1, **changes: Any) -> Spike:
    """Return a spike."""
    values: dict[str, Any] = {
        "id": f"{user}/1783175888085",
        "user": user,
        "network": user.partition(":")[0],
        "status": "open" if level == 1 else "grown",
        "direction": "rise",
        "began": 1_783_175_888_085,
        "level": level,
        "rate": 40.0,
        "baseline": 2.5,
        "kinds": {"like": 30, "share": 10},
        "posts": [],
        "actors": [],
        "authenticity": "organic",
        "reasons": [],
        "version": level,
        "time": 1_783_175_890_000,
        **changes,
    }
    return Spike(**values)


def test_changes_come_over_a_websocket(serve: Role, redis_url: str) -> None:
    """First the id from which to resume, then each change."""
    with dial(serve, "/v1/changes/ws?users=x:a&min_delta=0.5") as socket:
        first = take(socket)
        store(redis_url, [score_bytes("x:other"), score_bytes("x:a", 51.5, 2, previous=50.0)])
        change = take(socket)
    assert first["event"] == "alive"
    assert (change["event"], change["data"]["user"], change["data"]["score"]) == ("change", "x:a", 51.5)
    with dial(serve, f"/v1/changes/ws?last_event_id={first['id']}") as socket:
        assert [take(socket)["data"]["user"] for _ in range(2)] == ["x:other", "x:a"]


def test_a_snapshot_comes_first_over_a_websocket_too(serve: Role, redis_url: str) -> None:
    """Documents, `ready`, then changes."""
    store(redis_url, [score_bytes("x:a", 50, 3)])
    with dial(serve, "/v1/changes/ws?users=x:a&snapshot=1") as socket:
        assert [take(socket)["event"] for _ in range(2)] == ["snapshot", "ready"]
        store(redis_url, [score_bytes("x:a", 51, 4)])
        assert take(socket)["data"]["version"] == 4


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("users=nobody", "users"),
        ("users=", "users"),
        ("network=", "network"),
        ("min_delta=much", "min_delta"),
        ("min_delta=-1", "min_delta"),
        ("last_event_id=yesterday", "last_event_id"),
        ("last_event_id=99999999999999-0", "last_event_id"),
    ],
)
def test_a_bad_query_is_told_on_the_connection(serve: Role, query: str, field: str) -> None:
    """Browsers do not show the answer to a handshake."""
    with dial(serve, f"/v1/changes/ws?{query}") as socket:
        message = take(socket)
        assert message["event"] == "error"
        assert message["data"]["status"] == 400
        assert [error["field"] for error in message["data"]["errors"]] == [field]
        with pytest.raises(Exception, match="1008"):
            socket.recv(timeout=60)


def test_clients_who_leave_are_forgotten_and_those_who_stay_are_let_go(serve: Role) -> None:
    """No subscription outlives its connection, and no connection the service."""

    def clients() -> float:
        lines = httpx.get(f"{serve.url}/metrics", timeout=60).text.splitlines()
        name = 'clout_stream_clients{kind="websocket"}'
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), -1)

    with dial(serve, "/v1/changes/ws") as leaving:
        take(leaving)
        assert clients() == 1
    eventually(lambda: clients() == 0, 60, "the subscription ended")
    with dial(serve, "/v1/spikes/ws") as staying:
        take(staying)
        assert serve.stop() == 0
        with pytest.raises(Exception, match=r"1001|going away|no close frame"):
            staying.recv(timeout=60)


def until(following: Callable[[], dict[str, Any]], user: str, level: int) -> list[dict[str, Any]]:
    """Return what comes up to a spike at a level."""
    found = []
    while not found or (found[-1]["user"], found[-1]["level"]) != (user, level):
        found.append(following())
    return found


def test_spikes_come_as_they_open_and_grow(serve: Role, redis_url: str) -> None:
    """Both ways, filtered by user and network; a subscriber who resumes misses nothing."""
    told = [spike("x:a"), spike("github:b"), spike("x:a", 2), spike("x:c")]
    with (
        listen(serve, path="/v1/spikes", users="x:a,github:b") as events,
        dial(serve, "/v1/spikes/ws?network=x") as socket,
    ):
        events.until_position()
        assert take(socket)["event"] == "alive"
        before = events.last_id
        tell(redis_url, *told)
        heard = [(found["user"], found["level"]) for found in until(lambda: events.next()[1], "x:a", 2)]
        over = [(found["user"], found["level"]) for found in until(lambda: take(socket)["data"], "x:c", 1)]
    # A client that had not read yet gets the latest of each spike alone.
    assert [one for one in heard if one != ("x:a", 1)] == [("github:b", 1), ("x:a", 2)]
    assert [one for one in over if one != ("x:a", 1)] == [("x:a", 2), ("x:c", 1)]
    with listen(serve, before, path="/v1/spikes") as events:
        assert [events.next()[1]["user"] for _ in range(4)] == ["x:a", "github:b", "x:a", "x:c"]
