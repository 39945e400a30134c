"""Look-ups of hot documents: the same answers as from Redis, never older than what was told, and marked when stale."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import redis

from pipeline.lookup import keys
from tests.integration.test_lookup_api import store
from tests.integration.test_lookup_changes import listen
from tests.integration.test_sink import publish
from tests.support.cluster import Broker, Cluster, Role, Valkey
from tests.support.eventually import eventually, promptly
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration

PATH = "/v1/users/x%3Aa"


@pytest.fixture
def serve(cluster: Cluster, redis_url: str) -> Role:
    """A lookup service beside a Redis that is filled."""
    store(redis_url, [score_bytes("x:first")], rebuild=True)
    return cluster.start("serve").wait_ready()


@pytest.fixture
def client(serve: Role) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def becomes_hot(client: httpx.Client, redis_url: str, path: str) -> None:
    """Wait until a look-up no longer asks Redis."""

    def is_hot() -> bool:
        before = calls()
        client.get(path)
        return calls() == before

    def calls() -> int:
        with redis.Redis.from_url(redis_url) as direct:
            found = direct.info("commandstats")
            return int(found.get("cmdstat_mget", {"calls": 0})["calls"])

    eventually(is_hot, 60, "look-ups are answered from memory")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/score"])
def test_a_hot_answer_is_that_from_redis(client: httpx.Client, redis_url: str, path: str) -> None:
    """Status, headers and bytes; also for a client that has this version."""
    store(redis_url, [score_bytes("x:a", 43.21, 7)])
    conditions: list[dict[str, str]] = [
        {},
        {"If-None-Match": '"7"'},
        {"If-None-Match": 'W/"6"'},
        {"If-None-Match": "*"},
    ]
    cold = []
    for condition in conditions:
        store(redis_url, [score_bytes("x:other", version=time.monotonic_ns())])
        with redis.Redis.from_url(redis_url) as direct:
            direct.xadd(keys.CHANGES, {"reset": "test"})
        cold.append(client.get(path, headers=condition))
    becomes_hot(client, redis_url, path)
    for condition, before in zip(conditions, cold, strict=True):
        hot = client.get(path, headers=condition)
        assert (hot.status_code, hot.content) == (before.status_code, before.content)
        names = ("etag", "cache-control", "content-type", "x-content-type-options")
        assert [hot.headers.get(name) for name in names] == [before.headers.get(name) for name in names]
    assert client.get(path.replace("%3A", ":")).content == cold[0].content


def test_a_reader_never_goes_back(client: httpx.Client, serve: Role, redis_url: str) -> None:
    """However fast versions follow, and whichever way a document is read; and the last one is there at once."""
    written = threading.Event()

    def write() -> None:
        for version in range(1, 120):
            store(redis_url, [score_bytes("x:a", 50 + version / 100, version)])
        written.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = 0
    while not written.is_set():
        for version in (look_up(client), leader(client), look_up(client)):
            assert version is None or version >= seen, f"{version} after {seen}"
            seen = version or seen
    thread.join()
    eventually(lambda: look_up(client) == 119, 60, "the newest version is served")


def look_up(client: httpx.Client) -> int | None:
    """Return the version of a look-up."""
    answer = client.get(PATH)
    return int(answer.json()["version"]) if answer.status_code == 200 else None


def leader(client: httpx.Client) -> int | None:
    """Return the version in the leaderboard, which is read past memory."""
    for entry in client.get("/v1/leaderboard").json()["leaders"]:
        if entry["document"]["user"] == "x:a":
            return int(entry["document"]["version"])
    return None


def test_a_forgotten_user_is_not_served_from_memory(client: httpx.Client, redis_url: str) -> None:
    """Gone is gone."""
    store(redis_url, [score_bytes("x:a")])
    becomes_hot(client, redis_url, PATH)
    with redis.Redis.from_url(redis_url) as direct:
        direct.delete(keys.user("x:a"))
        direct.xadd(keys.CHANGES, {"gone": "x:a"})
    eventually(lambda: client.get(PATH).status_code == 404, 60, "the look-up finds nobody")


def test_answers_say_how_old_they_may_be(cluster: Cluster, redis_url: str) -> None:
    """While the sink has told nothing, and from 5 s behind its last note on; not while it keeps up."""
    publish(cluster.settings, {"x:a": score_bytes("x:a")})
    serve = cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:

        def stale() -> str | None:
            return client.get("/v1/leaderboard").headers.get("clout-stale-seconds")

        assert stale() == "unknown"
        sink = cluster.start("sink").wait_ready()
        eventually(lambda: stale() is None, 60, "nothing is missing")
        becomes_hot(client, redis_url, PATH)
        sink.kill()
        eventually(lambda: int(stale() or 0) >= 5, 60, "something may be missing")
        assert int(client.get(PATH).headers["clout-stale-seconds"]) >= 5


def test_reads_go_on_without_kafka(own_cluster: Cluster, own_broker: Broker) -> None:
    """Marked as stale; whoever asks gets what Redis has."""
    publish(own_cluster.settings, {"x:a": score_bytes("x:a", 43.21)})
    own_cluster.start("sink").wait_ready()
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        eventually(lambda: client.get(PATH).status_code == 200, 60, "the document is there")
        eventually(lambda: "clout-stale-seconds" not in client.get(PATH).headers, 60, "nothing is missing")
        own_broker.kill()
        eventually(lambda: "clout-stale-seconds" in client.get(PATH).headers, 60, "something may be missing")
        assert client.get(PATH).json()["score"] == 43.21
        assert client.post("/v1/scores", json={"users": ["x:a"]}).json()["scores"] == {"x:a": 43.21}
        for path in ("/v1/users", "/v1/leaderboard", "/readyz"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert int(answer.headers["clout-stale-seconds"]) >= 5
        with listen(serve) as events:
            events.until_position()


def test_a_hot_document_is_not_served_while_redis_hangs(own_cluster: Cluster, own_valkey: Valkey) -> None:
    """Nobody can tell then whether it is still right: 503, within a second."""
    redis_url = own_cluster.settings.redis
    store(redis_url, [score_bytes("x:a")], rebuild=True)
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        becomes_hot(client, redis_url, PATH)
        own_valkey.freeze()
        eventually(lambda: client.get(PATH).status_code == 503, 60, "the look-up says that Redis is away")
        assert promptly(lambda: client.get(PATH), 1.2).status_code == 503
        own_valkey.thaw()
        eventually(lambda: client.get(PATH).status_code == 200, 60, "it is served again")
