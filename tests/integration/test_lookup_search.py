"""Search over a leaderboard that moves."""

import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from schemas import NetworkScore
from tests.integration.test_lookup_api import problem, store
from tests.support.cluster import Cluster, Role
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration


@pytest.fixture
def serve(cluster: Cluster, redis_url: str) -> Role:
    """A lookup service beside a stream that has begun."""
    store(redis_url, [score_bytes("y:first", 1)])
    return cluster.start("serve").wait_ready()


@pytest.fixture
def client(serve: Role) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def pages(client: httpx.Client, **params: Any) -> Iterator[dict[str, Any]]:
    """Yield all pages."""
    while True:
        answer = client.get("/v1/users", params=params)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        yield page
        if page["next"] is None:
            return
        params["cursor"] = page["next"]


def names(client: httpx.Client, **params: Any) -> list[str]:
    """Return the ids of all who are found."""
    return [user["user"] for page in pages(client, **params) for user in page["users"]]


def test_each_criterion_holds_and_all_hold_together(client: httpx.Client, redis_url: str) -> None:
    """By what the documents say, best first."""
    both = {"x": NetworkScore(40, 0.5, None), "github": NetworkScore(30, 0.5, None)}
    store(
        redis_url,
        [
            score_bytes("x:a", 85.5, 2, authenticity=40),
            score_bytes("x:b", 72.0, 3, networks=both),
            score_bytes("github:c", 72.0, 4, handle="Sea"),
            score_bytes("x:d", 12.0, 5),
        ],
        [details_bytes("x:b", {}, tags=["Physics", "music"]), details_bytes("x:d", {}, tags=["physics"])],
    )
    assert names(client) == ["x:a", "x:b", "github:c", "x:d", "y:first"]
    assert names(client, min_score=72, max_score=80) == ["x:b", "github:c"]
    assert names(client, network="github") == ["x:b", "github:c"]
    assert names(client, bucket="70-79", network="x") == ["x:b"]
    assert names(client, min_authenticity=50, min_score=12) == ["x:b", "github:c", "x:d"]
    assert names(client, topic="physics") == ["x:b", "x:d"]
    assert names(client, topic="#Physics", min_score=50) == ["x:b"]
    assert names(client, topic="chemistry") == []
    assert names(client, handle="sea") == ["github:c"]
    assert names(client, handle="SEA", network="x") == []
    assert names(client, handle="sea", min_score=80) == []


def test_nobody_is_skipped_or_repeated_while_everyone_moves(client: httpx.Client, redis_url: str) -> None:
    """Between the pages scores move up and down across the place where the walk stands."""
    draw = random.Random(6)
    users = [f"x:{number:03d}" for number in range(150)]
    scores = {user: draw.uniform(20, 90) for user in users}
    version = 1
    store(redis_url, [score_bytes(user, round(score, 2)) for user, score in scores.items()])
    met = []
    for page in pages(client, min_score=10, limit=7):
        assert page["exact"]
        met += [user["user"] for user in page["users"]]
        moved = draw.sample(users, 30)
        version += 1
        for user in moved:
            scores[user] = min(99.0, max(11.0, scores[user] + draw.uniform(-20, 20)))
        store(redis_url, [score_bytes(user, round(scores[user], 2), version) for user in moved])
    assert sorted(met) == users


def test_a_walk_that_was_left_for_long_says_so(client: httpx.Client, redis_url: str) -> None:
    """The stream no longer tells who moved meanwhile."""
    store(redis_url, [score_bytes(f"x:{number}", 50) for number in range(20)])
    first = next(pages(client, limit=5))
    with redis.Redis.from_url(redis_url) as direct:
        store(redis_url, [score_bytes(f"x:{number}", 51, 2) for number in range(20)])
        direct.xtrim("clout:changes", maxlen=1, approximate=False)
    assert first["exact"]
    assert not client.get("/v1/users", params={"limit": 5, "cursor": first["next"]}).json()["exact"]


def test_bad_queries_are_problems_that_name_the_field(client: httpx.Client, redis_url: str) -> None:
    """Also a cursor of another search."""
    store(redis_url, [score_bytes(f"x:{number}", 50) for number in range(5)])
    cursor = client.get("/v1/users?limit=2").json()["next"]
    problem(client.get("/v1/users", params={"limit": 2, "cursor": cursor, "network": "x"}), 400, "cursor")
    problem(client.get("/v1/leaderboard", params={"cursor": cursor}), 400, "cursor")
    for name, value in {
        "cursor": "AAAA",
        "bucket": "5-15",
        "min_score": "nan",
        "max_score": "101",
        "min_authenticity": "-1",
        "limit": "0",
        "topic": "",
        "handle": "",
    }.items():
        problem(client.get("/v1/users", params={name: value}), 400, name)
    problem(client.get("/v1/users?min_score=50&max_score=40"), 400, "min_score")
