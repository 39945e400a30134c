"""The lookup service over a real socket and a real Valkey."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import msgspec
import pytest

from pipeline.local.guard import Guard
from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.history.outlets import SCORE_POINTS
from pipeline.lookup.sink.chunks import Batch, Tally, chunks
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.writer import Writer
from tests.integration.test_sink import Returned
from tests.support.cluster import Cluster, Role, Valkey
from tests.support.eventually import eventually, promptly
from tests.unit.lookup.documents import details_bytes, records, score_bytes

pytestmark = pytest.mark.integration


def store(redis_url: str, scores: Sequence[bytes], details: Sequence[bytes] = (), *, rebuild: bool = False) -> None:
    """Write documents as the sink does, each call as a log of its own; a `rebuild` ends with a reset."""

    async def write() -> None:
        redis = connect(redis_url, 5)
        writer = Writer(redis, "live", [keys.CHANGES])
        number = time.monotonic_ns()
        if rebuild:
            await writer.positions([f"scores/{number}"])
        written = (SCORES, scores), (DETAILS, details), (SCORE_POINTS, scores)
        for outlet, _ in written:
            await writer.rewind(outlet.field(outlet.topic, number), 0)
        batches = [Batch(outlet, outlet.topic, number, 0, records(*values)) for outlet, values in written if values]
        for chunk in chunks(batches, Tally()):
            await writer.write(chunk)
        if rebuild:
            await writer.finish_rebuild()
        await redis.aclose()

    asyncio.run(write())


@pytest.fixture
def serve(cluster: Cluster) -> Role:
    """A running lookup service."""
    return cluster.start("serve").wait_ready()


@pytest.fixture
def client(serve: Role) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def problem(answer: httpx.Response, status: int, field: str = "") -> None:
    """Check that an answer is a problem document, which names the field."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert [error["field"] for error in body.get("errors", [])] == ([field] if field else [])


@pytest.mark.parametrize("user", ["github:torvalds", "mastodon:https://host.example/users/x", "x:a b/score", "x:100%"])
def test_a_document_is_served_byte_for_byte(client: httpx.Client, redis_url: str, user: str) -> None:
    """Whatever the id holds, as long as it is percent-encoded."""
    value = score_bytes(user, 43.21, 7)
    store(redis_url, [value])
    path = "/v1/users/" + "".join(f"%{byte:02X}" for byte in user.encode())
    answer = client.get(path)
    assert answer.content == value
    assert answer.headers["etag"] == '"7"'
    assert "max-age" in answer.headers["cache-control"]
    assert client.get(path, headers={"If-None-Match": '"7"'}).status_code == 304
    assert client.get(path + "/score").json()["score"] == 43.21


def test_an_id_with_slashes_may_stay_unencoded(client: httpx.Client, redis_url: str) -> None:
    """A link that was pasted together still works."""
    user = "mastodon:https://host.example/users/x"
    store(redis_url, [score_bytes(user, 43.21)], [details_bytes(user, {"x:a": 2})])
    assert client.get(f"/v1/users/{user}").json()["user"] == user
    assert client.get(f"/v1/users/{user}/explain").json()["actors"] == [{"actor": "x:a", "count": 2}]


def test_moments_say_what_each_post_earned_and_is_worth(client: httpx.Client, redis_url: str) -> None:
    """In the order of the details, by windows; who has none has an empty list, and who is unknown a problem."""
    moment = {"object": "at://post/1", "1h": 2, "24h": 5, "7d": 9, "90d": 9, "points": 3.5}
    details = {
        **msgspec.json.decode(details_bytes("x:m", {})),
        "moments": [moment, {**moment, "object": "b", "points": 1}],
    }
    store(
        redis_url,
        [score_bytes("x:m", 50), score_bytes("x:n", 50)],
        [msgspec.json.encode(details), details_bytes("x:n", {})],
    )
    answer = client.get("/v1/users/x:m/moments")
    assert answer.status_code == 200
    assert answer.json()["moments"] == details["moments"]
    assert (answer.json()["user"], answer.json()["as_of"]) == ("x:m", details["as_of"])
    assert client.get("/v1/users/x:n/moments").json()["moments"] == []
    problem(client.get("/v1/users/x:unknown/moments"), 404, "user")


def test_peers_stand_in_both_directions(client: httpx.Client, redis_url: str) -> None:
    """Whoever engages with a user is influenced by the user."""
    store(redis_url, [score_bytes("x:u", 80)], [details_bytes("x:u", {"x:a": 5, "x:b": 2})])
    assert client.get("/v1/users/x:u/influencees").json()["peers"] == [
        {"user": "x:a", "count": 5, "score": None},
        {"user": "x:b", "count": 2, "score": None},
    ]
    assert client.get("/v1/users/x:a/influencers").json()["peers"] == [{"user": "x:u", "count": 5, "score": 80}]


def test_scores_of_many_users_come_at_once(client: httpx.Client, redis_url: str) -> None:
    """Unknown users are null."""
    store(redis_url, [score_bytes(f"x:{number}", number + 1.5) for number in range(99)])
    users = [f"x:{number}" for number in range(1000)]
    scores = client.post("/v1/scores", json={"users": users}).json()["scores"]
    assert scores["x:7"] == 8.5
    assert scores["x:999"] is None
    assert len(scores) == 1000


def test_pages_of_the_leaderboard_neither_skip_nor_repeat(client: httpx.Client, redis_url: str) -> None:
    """Also among equal scores, and while the page's last user moves."""
    store(redis_url, [score_bytes(f"x:{number:03d}", float(10 + number // 20)) for number in range(100)])
    seen, cursor = [], None
    while True:
        page = client.get("/v1/leaderboard", params={"limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        seen += [(leader["rank"], leader["document"]["user"]) for leader in page["leaders"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert [rank for rank, _ in seen] == list(range(1, 101))
    assert sorted(user for _, user in seen) == [f"x:{number:03d}" for number in range(100)]
    assert seen[0][1] == "x:099"


def test_the_leaderboard_of_a_network_has_its_users_alone(client: httpx.Client, redis_url: str) -> None:
    """With the score from that network."""
    store(redis_url, [score_bytes("x:a", 50), score_bytes("github:b", 60)])
    (leader,) = client.get("/v1/leaderboard", params={"network": "x"}).json()["leaders"]
    assert (leader["rank"], leader["score"], leader["document"]["user"]) == (1, 50, "x:a")


def test_bad_input_is_a_problem_that_names_the_field(client: httpx.Client) -> None:
    """Never an error of the server."""
    problem(client.get("/v1/users/nobody"), 400, "user")
    problem(client.get("/v1/users/x%3A%00"), 400, "user")
    problem(client.get("/v1/users/x:" + "a" * 1000), 400, "user")
    problem(client.get("/v1/users/x:%FF%FE"), 404, "user")
    problem(client.get("/v1/users/x:unknown"), 404, "user")
    problem(client.get("/v1/users/x:unknown/explain"), 404, "user")
    problem(client.get("/v1/leaderboard?limit=0"), 400, "limit")
    problem(client.get("/v1/leaderboard?limit=many"), 400, "limit")
    problem(client.get("/v1/leaderboard?cursor=elsewhere"), 400, "cursor")
    problem(client.post("/v1/scores", json={"users": [f"x:{number}" for number in range(1001)]}), 400, "users")
    problem(client.post("/v1/scores", json={"users": []}), 400, "users")
    problem(client.post("/v1/scores", json={"users": "x:a"}), 400, "users")
    problem(client.post("/v1/scores", content=b"{", headers={"content-type": "application/json"}), 400, "body")
    problem(client.post("/v1/scores", content=b"x" * 1_100_000, headers={"content-type": "application/json"}), 413)
    problem(client.get("/v1/changes?min_delta=-1"), 400, "min_delta")
    for never in ("yesterday", "1-2-3", "99999999999999-0", "-1", "9" * 400 + "-0"):
        problem(client.get("/v1/changes", headers={"Last-Event-ID": never}), 400, "Last-Event-ID")
        problem(client.get("/v1/spikes", headers={"Last-Event-ID": never}), 400, "Last-Event-ID")
    for nobody in ("x:a/b/c", "x:a%20b", "x:%E2%80%8Fa%E2%80%AE", "x:%25", "x:a%2F..%2F..", "x:%F0%9F%91%A9"):
        problem(client.get(f"/v1/users/{nobody}"), 404, "user")
        problem(client.get(f"/v1/users/{nobody}/history"), 404, "user")
    problem(client.get("/v1/changes?users="), 400, "users")
    problem(client.get("/nowhere"), 404)
    problem(client.delete("/v1/leaderboard"), 405)


def test_health_metrics_and_schema_are_served(client: httpx.Client, redis_url: str) -> None:
    """For probes, Prometheus and people."""
    store(redis_url, [score_bytes("x:a")])
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz").json()
    assert ready["redis"] == "ok"
    assert ready["newest_score_age_s"] > 0
    assert "clout_stream_clients" in client.get("/metrics").text
    paths = client.get("/schema/openapi.json").json()["paths"]
    assert {"/v1/users/{user}", "/v1/scores", "/v1/leaderboard", "/v1/changes"} <= paths.keys()


def test_a_redis_that_is_away_is_told_within_a_second(
    own_cluster: Cluster, own_valkey: Valkey, guard: Guard, tmp_path: Path
) -> None:
    """Killed or hanging: 503 with a problem document, while the process stays alive; then recovery by itself."""
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        own_valkey.freeze()
        for path in ("/v1/users/x:a", "/v1/leaderboard", "/readyz", "/v1/changes"):
            problem(promptly(lambda path=path: client.get(path), 1.2), 503)  # type: ignore[misc]
        assert client.get("/healthz").status_code == 200
        own_valkey.thaw()
        eventually(lambda: client.get("/v1/users/x:a").status_code == 404, 60, "it reads again after a hang")
        own_valkey.kill()
        problem(client.get("/v1/users/x:a"), 503)
        own_cluster.processes.append(Returned(own_valkey, guard, tmp_path))
        eventually(lambda: client.get("/v1/users/x:a").status_code == 404, 60, "it reads again after a restart")
    assert serve.stop() == 0
    assert "Traceback" not in serve.output()


def test_it_starts_without_redis(cluster: Cluster) -> None:
    """It answers 503 until Redis is there."""
    serve = cluster.start("serve", CLOUT_REDIS="redis://127.0.0.1:9/0")
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        eventually(lambda: _status(client, "/healthz") == 200, 60, "it is alive")
        problem(client.get("/readyz"), 503)
        problem(client.get("/v1/changes"), 503)
    assert serve.stop() == 0


def _status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


def test_whatever_may_be_kept_has_an_etag(client: httpx.Client, redis_url: str) -> None:
    """A client that asks again gets no body until something changed."""
    store(redis_url, [score_bytes("x:a", 50), score_bytes("x:b", 40)], [details_bytes("x:a", {"x:b": 2})])
    users = "/v1/users/x:a"
    paths = (users, f"{users}/score", f"{users}/explain", f"{users}/influencees", "/v1/users/x:b/influencers")
    for path in (*paths, f"{users}/history", "/v1/leaderboard", "/v1/users?min_score=45"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["cache-control"]
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    tag = client.get("/v1/leaderboard").headers["etag"]
    store(redis_url, [score_bytes("x:b", 60, 2)])
    assert client.get("/v1/leaderboard", headers={"If-None-Match": tag}).status_code == 200
    for path in ("/healthz", "/readyz", "/metrics"):
        assert "etag" not in client.get(path).headers
