"""Subscribers of changes: order, resume, reset, snapshot, and an end that leaves nobody hanging."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import redis

from pipeline.lookup import keys
from tests.integration.test_lookup_api import store
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration


class Events:
    """Reads Server-Sent Events one by one."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.last_id = ""

    def next(self) -> tuple[str, Any]:
        """Return type and data of the next event that has data."""
        kind, data = "", ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not line and data:
                return kind, json.loads(data)
        return "end", None

    def until_position(self) -> None:
        """Read up to the first id, which says from where on changes come."""
        for line in self._lines:
            if line.startswith("id: "):
                self.last_id = line[4:]
                return


@pytest.fixture
def serve(cluster: Cluster, redis_url: str) -> Role:
    """A lookup service beside a stream that has begun."""
    store(redis_url, [score_bytes("x:first")])
    return cluster.start("serve").wait_ready()


@contextmanager
def listen(serve: Role, last_event_id: str = "", path: str = "/v1/changes", **params: Any) -> Iterator[Events]:
    """Subscribe."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with httpx.stream("GET", serve.url + path, params=params, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        yield Events(answer)


def test_changes_come_as_they_happen(serve: Role, redis_url: str) -> None:
    """With the fields that a dashboard needs."""
    with listen(serve) as events:
        events.until_position()
        store(redis_url, [score_bytes("x:a", 51.5, 2, previous=50.0)])
        kind, change = events.next()
    assert kind == "change"
    assert (change["user"], change["score"], change["previous"], change["version"]) == ("x:a", 51.5, 50.0, 2)


def test_a_subscriber_who_resumes_misses_nothing(serve: Role, redis_url: str) -> None:
    """What happened meanwhile comes first, then what happens now, each once and in order."""
    with listen(serve) as events:
        events.until_position()
        store(redis_url, [score_bytes("x:0")])
        events.next()
        last = events.last_id
    store(redis_url, [score_bytes(f"x:{number}") for number in range(1, 1300)])
    with listen(serve, last) as events:
        found = [events.next()[1]["user"] for _ in range(1299)]
        store(redis_url, [score_bytes("x:live")])
        assert events.next()[1]["user"] == "x:live"
    assert found == [f"x:{number}" for number in range(1, 1300)]


def test_a_subscriber_is_told_when_the_stream_was_trimmed(serve: Role, redis_url: str) -> None:
    """An explicit reset, never a silent gap; then changes go on."""
    with listen(serve) as events:
        events.until_position()
        last = events.last_id
    store(redis_url, [score_bytes(f"x:{number}") for number in range(10)])
    with redis.Redis.from_url(redis_url) as client:
        client.xtrim(keys.CHANGES, maxlen=2, approximate=False)
    with listen(serve, last) as events:
        assert events.next() == ("reset", {"reason": "trimmed"})
        store(redis_url, [score_bytes("x:after")])
        assert events.next()[1]["user"] == "x:after"


def test_a_subscriber_is_told_when_redis_was_filled_again(serve: Role, redis_url: str) -> None:
    """Whoever was there, and whoever comes back with an id of the lost stream."""
    with listen(serve) as events:
        events.until_position()
        last = events.last_id
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        store(redis_url, [score_bytes("x:a")], rebuild=True)
        assert events.next() == ("reset", {"reason": "rebuilt"})
        store(redis_url, [score_bytes("x:b")])
        assert events.next()[1]["user"] == "x:b"
    with listen(serve, last) as events:
        assert events.next()[0] == "reset"
    with listen(serve, f"{time.time_ns() // 1_000_000 + 3_600_000}-0") as events:
        assert events.next()[0] == "reset"


def test_a_snapshot_comes_before_the_changes(serve: Role, redis_url: str) -> None:
    """Whole documents first, then `ready`, then changes that are newer."""
    documents = [score_bytes("x:a", 50, 3), score_bytes("x:b", 60, 4)]
    store(redis_url, documents)
    with listen(serve, users="x:a,x:b,x:unknown", snapshot="1") as events:
        assert [events.next() for _ in range(3)] == [
            *(("snapshot", json.loads(document)) for document in documents),
            ("ready", {}),
        ]
        store(redis_url, [score_bytes("x:other"), score_bytes("x:b", 61, 5)])
        assert events.next()[1]["score"] == 61


def test_a_snapshot_without_users_holds_everyone(serve: Role, redis_url: str) -> None:
    """Page by page, for those who mirror all scores."""
    store(redis_url, [score_bytes(f"x:{number}", 50) for number in range(450)])
    with listen(serve, snapshot="1") as events:
        found = set()
        while (event := events.next())[0] == "snapshot":
            found.add(event[1]["user"])
    assert event[0] == "ready"
    assert found == {"x:first", *(f"x:{number}" for number in range(450))}


def test_only_crossings_of_buckets_come_when_they_are_wanted(serve: Role, redis_url: str) -> None:
    """Counted from the bucket of the score that was sent last, which a snapshot sends too."""
    store(redis_url, [score_bytes("x:a", 48, 1)])
    with listen(serve, users="x:a", crossings="1", snapshot="1") as events:
        assert [events.next()[0] for _ in range(2)] == ["snapshot", "ready"]
        for version, score in enumerate((49.9, 50.0, 59.0, 50.5, 47.0), 2):
            store(redis_url, [score_bytes("x:a", score, version, previous=48.0)])
            if score in {50.0, 47.0}:
                assert events.next()[1]["score"] == score


def test_a_service_that_stops_lets_its_subscribers_go(serve: Role) -> None:
    """SIGTERM ends streams in good order; clients were told when to come back."""
    with listen(serve) as one, listen(serve) as two:
        one.until_position()
        two.until_position()
        assert serve.stop() == 0
        assert one.next() == ("end", None)
        assert two.next() == ("end", None)


def test_subscribers_who_leave_are_forgotten(serve: Role) -> None:
    """No subscription outlives its connection."""

    def clients() -> float:
        lines = httpx.get(f"{serve.url}/metrics", timeout=60).text.splitlines()
        return next((float(x.split()[-1]) for x in lines if x.startswith('clout_stream_clients{kind="sse"}')), -1)

    with listen(serve) as events:
        events.until_position()
        assert clients() == 1
    eventually(lambda: clients() == 0, 60, "the subscription ended")


def test_a_crowd_that_comes_at_once_is_let_in(serve: Role) -> None:
    """A service that restarts gets all its subscribers back within a moment."""
    crowd = [_connect(serve) for _ in range(300)]
    for connection in crowd:
        connection.settimeout(60)
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
        connection.close()


def test_clients_that_never_read_hold_up_nobody(serve: Role, redis_url: str) -> None:
    """Others get their changes, and the service still stops within 10 s."""
    stuck = [_connect(serve) for _ in range(5)]
    documents = [score_bytes(f"x:{number}", avatar="a" * 100) for number in range(4000)]
    with listen(serve, users="x:7") as events:
        events.until_position()
        for version in range(1, 13):
            store(redis_url, [document.replace(b'"version":1,', b'"version":%d,' % version) for document in documents])
        while events.next()[1]["version"] < 12:
            pass
    assert serve.stop() == 0
    for connection in stuck:
        connection.close()


def _connect(serve: Role) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", serve.port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"GET /v1/changes HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection
