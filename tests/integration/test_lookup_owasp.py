"""
The OWASP API Security Top 10 of 2023, row by row, over a real socket.

API6 (a key bound to networks) is in test_lookup_events.py, limits by key and address in test_lookup_keys.py, API7
(where deliveries may go) in unit/lookup/test_delivery.py.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from pipeline.settings import Settings
from tests.integration.test_lookup_api import problem, store
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.support.keys import client_with, create_key
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration

RULE = {"channels": [{"kind": "webhook", "url": "https://hooks.example.com/x"}]}
SUBSCRIPTION = {"url": "https://hooks.example.com/x", "events": ["spike"]}


@pytest.fixture
def serve(cluster: Cluster) -> Role:
    """A lookup service that is closed to callers without a key."""
    return cluster.start("serve", CLOUT_OPEN_READS="false", CLOUT_KEY_REQUESTS_PER_S="10000").wait_ready()


@pytest.fixture
def nobody(serve: Role) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


@contextmanager
def client_of(serve: Role, settings: Settings, *scopes: Any) -> Iterator[httpx.Client]:
    """Give a client whose key the service knows."""
    with client_with(create_key(settings, *scopes), serve) as client:
        yield client


def operations(client: httpx.Client) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of everything under /v1, with something for each parameter."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    return [
        (method.upper(), re.sub(r"\{[^}]+\}", "x%3Aa", path), operation)
        for path, described in paths.items()
        if path.startswith("/v1/")
        for method, operation in described.items()
        if method in {"get", "put", "post", "delete", "patch"}
    ]


def test_api1_private_things_belong_to_a_key(serve: Role, settings: Settings) -> None:
    """Another key finds nothing, whatever it asks for; nor does an administrator's."""
    with client_of(serve, settings, "read") as owner, client_of(serve, settings, "admin") as other:
        subscription = owner.post("/v1/subscriptions", json=SUBSCRIPTION).json()["subscription"]["id"]
        assert owner.put("/v1/alerts/rules/mine", json=RULE).status_code == 200
        until = time.time_ns() // 1_000_000 + 600_000
        silence = owner.post("/v1/alerts/silences", json={"until": until}).json()["id"]
        for path in ("subscriptions", "alerts/rules", "alerts/silences"):
            eventually(lambda path=path: any(owner.get(f"/v1/{path}").json().values()), 60, f"{path} has it")  # type: ignore[misc]
        for name in (subscription, subscription.partition(":")[2]):
            problem(other.get(f"/v1/subscriptions/{name}/deliveries"), 404)
            problem(other.post(f"/v1/subscriptions/{name}/test"), 404)
            problem(other.delete(f"/v1/subscriptions/{name}"), 404)
        problem(other.delete("/v1/alerts/rules/mine"), 404)
        problem(other.get("/v1/alerts/rules/mine/deliveries"), 404)
        problem(other.delete(f"/v1/alerts/silences/{silence}"), 404)
        assert other.get("/v1/subscriptions").json() == {"subscriptions": []}
        assert other.get("/v1/alerts/rules").json() == {"rules": []}
        assert other.get("/v1/alerts/silences").json() == {"silences": []}
        assert other.get("/v1/alerts").json() == {"alerts": []}
        assert len(owner.get("/v1/subscriptions").json()["subscriptions"]) == 1
        assert owner.delete(f"/v1/alerts/silences/{silence}").status_code == 204


def test_api2_what_is_no_key_opens_nothing(nobody: httpx.Client) -> None:
    """A 401 that says how to ask, in whatever form it comes."""
    texts = [
        "",
        "Bearer",
        "Bearer null",
        "Bearer clout_0_1",
        "Basic YTpi",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ]
    for text in [*texts, "Bearer " + "A" * 5000, "Token x"]:
        answer = nobody.get("/v1/leaderboard", headers={"Authorization": text})
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(nobody.get("/v1/leaderboard?key=clout_0_1&api_key=x"), 401)


def test_api3_only_what_is_named_goes_in_and_out(serve: Role, settings: Settings) -> None:
    """Fields that a caller may not set are refused, and secrets are shown once."""
    with client_of(serve, settings, "admin") as client:
        made = client.post("/v1/subscriptions", json=SUBSCRIPTION).json()
        assert made["secret"].startswith("whsec_")
        assert made["secret"] not in client.get("/v1/subscriptions").text
        for extra in ({"owner": "key:other"}, {"id": "subscription:x"}, {"disabled": "no"}):
            problem(client.post("/v1/subscriptions", json={**SUBSCRIPTION, **extra}), 400, "data")
        problem(client.put("/v1/alerts/rules/a", json={**RULE, "owner": "file"}), 400, "data")
        secret = client.put("/v1/alerts/rules/a", json=RULE).json()["channels"][0]["secret"]
        assert secret not in client.get("/v1/alerts/rules").text
        problem(client.put("/v1/overrides/x:a", json={"action": "block", "time": 0}), 400, "data")


def test_api4_what_one_may_ask_for_is_bounded(serve: Role, settings: Settings) -> None:
    """Bodies, batches and pages."""
    with client_of(serve, settings, "admin") as client:
        for path in ("/v1/scores", "/v1/events", "/v1/subscriptions"):
            problem(client.post(path, content=b" " * 1_100_000, headers={"Content-Type": "application/json"}), 413)
        problem(client.post("/v1/scores", json={"users": ["x:a"] * 1001}), 400, "users")
        problem(client.get("/v1/leaderboard?limit=100000"), 400, "limit")
        problem(client.post("/v1/subscriptions", json={**SUBSCRIPTION, "users": ["x:a"] * 1001}), 400, "users")
        gzip = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        problem(client.post("/v1/events", content=b"\x1f\x8b", headers=gzip), 415)


def test_api5_every_operation_asks_for_its_scope(serve: Role, settings: Settings, nobody: httpx.Client) -> None:
    """None under /v1 answers without a key here; what changes something needs more than to read."""
    described = operations(nobody)
    assert len(described) > 25
    for method, path, _ in described:
        assert nobody.request(method, path).status_code == 401, f"{method} {path}"
    own = ("/v1/subscriptions", "/v1/alerts", "/v1/tokens", "/v1/scores")
    with client_of(serve, settings, "read") as reader:
        for method, path, _ in described:
            if method != "GET" and not path.startswith(own):
                assert reader.request(method, path).status_code == 403, f"{method} {path}"
        for path in ("/v1/overrides", "/v1/forgotten"):
            problem(reader.get(path), 403)
    with client_of(serve, settings, "ingest", "identity") as writer:
        problem(writer.get("/v1/leaderboard"), 403)
        problem(writer.delete("/v1/users/x:a"), 403)


def test_api8_answers_carry_the_browsers_safeguards_and_no_traces(nobody: httpx.Client) -> None:
    """Errors too; methods that nobody needs are none."""
    answers = [nobody.get(path) for path in ("/healthz", "/v1/leaderboard", "/nowhere", "/schema/openapi.json")]
    for answer in [*answers, nobody.request("TRACE", "/v1/scores"), nobody.get("/v1/users/%FF%00")]:
        assert answer.status_code < 500
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in answer.headers
        assert "Traceback" not in answer.text
        assert "set-cookie" not in answer.headers
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    problem(nobody.get("/metrics", headers=forwarded), 401)
    assert nobody.get("/metrics").status_code == 200


def test_api9_the_document_tells_of_every_refusal(nobody: httpx.Client) -> None:
    """Each operation under /v1 is versioned by its path, described, and the private ones name 401."""
    private = ("/v1/subscriptions", "/v1/alerts", "/v1/tokens", "/v1/events", "/v1/overrides", "/v1/forgotten")
    for method, path, operation in operations(nobody):
        assert operation.get("description"), f"{method} {path}"
        if path.startswith(private):
            assert "401" in operation["responses"], f"{method} {path}"


def test_api10_what_others_named_themselves_is_passed_on_as_text(
    serve: Role, settings: Settings, redis_url: str
) -> None:
    """JSON, never HTML, whatever an id holds."""
    user = "x:<script>alert(1)</script>"
    store(redis_url, [score_bytes(user, 43.21)], [details_bytes(user, {"x:\"onload='x'": 2})])
    with client_of(serve, settings, "read") as client:
        path = "/v1/users/" + "".join(f"%{byte:02X}" for byte in user.encode())
        for answer in (client.get(path), client.get(f"{path}/explain"), client.get("/v1/users/x:%3Cimg%3E")):
            assert "json" in answer.headers["content-type"]
            assert answer.headers["x-content-type-options"] == "nosniff"
