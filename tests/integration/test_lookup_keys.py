"""Keys, scopes and limits over a real socket, with a real broker and Valkey."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest

from pipeline.control.keytext import new_key
from pipeline.lookup.access.limits import Limiter
from pipeline.lookup.connection import connect
from pipeline.settings import Settings
from schemas import KeySecret
from tests.integration.test_lookup_api import problem
from tests.support.cluster import Cluster, Role, Valkey
from tests.support.eventually import eventually, promptly
from tests.support.keys import bearer, create_key, make_key, write_control

pytestmark = pytest.mark.integration


@pytest.fixture
def serve(cluster: Cluster) -> Role:
    """A running lookup service that is closed to callers without a key."""
    return cluster.start("serve", CLOUT_OPEN_READS="false").wait_ready()


@pytest.fixture
def client(serve: Role) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        yield client


def status(client: httpx.Client, key: str, path: str = "/v1/leaderboard") -> int:
    """Return the status of a read with a key."""
    return client.get(path, headers=bearer(key)).status_code


def test_a_key_is_created_listed_rotated_and_revoked(cluster: Cluster, client: httpx.Client) -> None:
    """As a user does it; the secret is shown once, and a revoked key is refused within a moment."""
    created = cluster.run("keys", "create", "dashboard", "--scope", "read", "--network", "x", "--expires", "1d")
    assert created.child.wait(60) == 0, created.output()
    text = created.output().splitlines()[-1]
    eventually(lambda: status(client, text) == 200, 60, "the new key reads")
    listed = cluster.run("keys", "list")
    assert listed.child.wait(60) == 0
    assert "dashboard\tread\tx\t" in listed.output()
    assert text.split("_")[2] not in listed.output()
    name = text.split("_")[1]
    rotated = cluster.run("keys", "rotate", name, "--overlap", "1h")
    assert rotated.child.wait(60) == 0, rotated.output()
    newer = rotated.output().splitlines()[-1]
    eventually(lambda: status(client, newer) == 200, 60, "the new secret reads")
    assert status(client, text) == 200, "the old one still does"
    rotated = cluster.run("keys", "rotate", name, "--overlap", "0s")
    assert rotated.child.wait(60) == 0, rotated.output()
    eventually(lambda: status(client, newer) == 401, 60, "without overlap the old secret is refused")
    revoked = cluster.run("keys", "revoke", name)
    assert revoked.child.wait(60) == 0, revoked.output()
    eventually(lambda: status(client, rotated.output().splitlines()[-1]) == 401, 60, "the revoked key is refused")
    missing = cluster.run("keys", "revoke", name)
    assert missing.child.wait(60) == 1
    assert "there is no key" in missing.output()


def test_without_open_reads_a_key_is_needed(client: httpx.Client, settings: Settings) -> None:
    """Health and schema stay open; each refusal is a problem document."""
    problem(client.get("/v1/leaderboard"), 401)
    assert client.get("/v1/leaderboard").headers["www-authenticate"].startswith("Bearer")
    problem(client.get("/v1/leaderboard", headers={"Authorization": "Bearer clout_x_y"}), 401)
    problem(client.get("/v1/leaderboard", headers={"Authorization": "Basic eDp5"}), 401)
    problem(client.get("/v1/changes"), 401)
    assert client.get("/healthz").status_code == 200
    assert client.get("/schema/openapi.json").status_code == 200
    key = create_key(settings, "ingest")
    eventually(lambda: status(client, key) == 403, 60, "the key is known, and may not read")
    problem(client.get("/v1/leaderboard", headers=bearer(key)), 403)


def test_expired_keys_and_secrets_are_refused(client: httpx.Client, settings: Settings) -> None:
    """Also a good key with another's secret."""
    now = time.time_ns() // 1_000_000
    good, good_record = make_key("read")
    old, old_record = make_key("read", expires=now - 1)
    halfway, halfway_record = make_key("read", secrets=[KeySecret("1" * 64)])
    write_control(settings, old_record, halfway_record, good_record)
    eventually(lambda: status(client, str(good)) == 200, 60, "the keys are known")
    assert status(client, str(old)) == 401
    assert status(client, str(halfway)) == 401
    assert status(client, str(new_key(good.id))) == 401
    expired = good_record.secrets[0].hash
    write_control(settings, make_key("read", text=good, secrets=[KeySecret(expired, now - 1)])[1])
    eventually(lambda: status(client, str(good)) == 401, 60, "its only secret has expired")


def test_a_key_has_its_limit_and_addresses_have_theirs(cluster: Cluster, settings: Settings) -> None:
    """429 with Retry-After and a problem document; another key is not concerned; two services share the limits."""
    fast = create_key(settings, "read")
    limits = {"CLOUT_ADDRESS_REQUESTS_PER_S": "0.5", "CLOUT_TRUSTED_PROXIES": "127.0.0.1"}
    serve, other = cluster.start("serve", **limits).wait_ready(), cluster.start("serve", **limits).wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as one, httpx.Client(base_url=other.url, timeout=60) as two:
        eventually(lambda: status(one, fast) == 200 and status(two, fast) == 200, 60, "the keys are known")

        def refused() -> list[httpx.Response]:
            slow = create_key(settings, "read", requests_per_s=0.05)
            answers: list[httpx.Response] = []

            def is_known() -> bool:
                answers.extend(client.get("/v1/leaderboard", headers=bearer(slow)) for client in (one, two))
                return all(answer.status_code != 401 for answer in answers[-2:])

            eventually(is_known, 60, "the key is known")
            answers.extend(client.get("/v1/leaderboard", headers=bearer(slow)) for client in (one, two) * 5)
            passed = [answer.status_code for answer in answers].count(200)
            # Nobody is limited while Redis does not answer for a tenth of a second: then again, with a new key.
            return answers[-10:] if passed == 1 else []

        for answer in eventually(refused, 60, "one passes, and no more"):
            problem(answer, 429)
            assert int(answer.headers["retry-after"]) >= 1
        assert status(one, fast) == 200
        here = {"X-Forwarded-For": "203.0.113.1"}

        def statuses() -> set[int]:
            return {one.get("/v1/leaderboard", headers=here).status_code for _ in range(10)}

        eventually(lambda: statuses() == {200, 429}, 60, "the address has its limit")
        assert one.get("/v1/leaderboard", headers={"X-Forwarded-For": "203.0.113.2"}).status_code == 200
        eventually(lambda: one.get("/v1/leaderboard", headers=here).status_code == 200, 60, "the bucket fills again")


async def test_many_requests_at_once_are_within_the_limit(redis_url: str) -> None:
    """A bucket holds what 2 s bring, and all of it can be had at once: none is lost to tokens taken ahead."""
    redis = connect(redis_url, 30.0)
    limiter = Limiter(redis, now=lambda: 0.0)
    assert await asyncio.gather(*(limiter.take("key:a", 100.0) for _ in range(200))) == [0.0] * 200
    await redis.aclose()


def test_a_token_opens_subscriptions_and_nothing_else(client: httpx.Client, settings: Settings) -> None:
    """As browsers need it, who cannot send a header with an EventSource."""
    key = create_key(settings, "admin")
    eventually(lambda: status(client, key) == 200, 60, "the key is known")
    answer = client.post("/v1/tokens", headers=bearer(key))
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()["token"]
    with client.stream("GET", "/v1/changes", params={"token": token}) as stream:
        assert stream.status_code == 200
    problem(client.get("/v1/leaderboard", params={"token": token}), 401)
    problem(client.post("/v1/tokens", params={"token": token}), 401)
    problem(client.post("/v1/tokens", headers=bearer(token)), 401)
    problem(client.get("/v1/changes", params={"token": token[:-1]}), 401)
    write_control(settings, deleted=(f"key:{key.split('_')[1]}",))
    eventually(lambda: status(client, key) == 401, 60, "the key is revoked")
    problem(client.get("/v1/changes", params={"token": token}), 401)


def test_keys_are_known_while_kafka_is_away(own_cluster: Cluster, own_broker: object) -> None:
    """A service that starts then finds them in Redis."""
    settings = own_cluster.settings
    key = create_key(settings, "read")
    first = own_cluster.start("serve", CLOUT_OPEN_READS="false").wait_ready()
    with httpx.Client(base_url=first.url, timeout=60) as client:
        eventually(lambda: status(client, key) == 200, 60, "the key is known")
    second = own_cluster.start("serve", CLOUT_OPEN_READS="false", CLOUT_BROKER="kafka://127.0.0.1:9")
    second.wait_ready()
    with httpx.Client(base_url=second.url, timeout=60) as client:
        eventually(lambda: status(client, key) == 200, 60, "the key is known from the mirror")
        problem(client.get("/v1/leaderboard", headers=bearer(str(new_key()))), 401)
    assert second.stop() == 0
    assert "Traceback" not in second.output()


def test_a_hanging_redis_lets_no_request_wait(own_cluster: Cluster, own_valkey: Valkey) -> None:
    """The limits do not add to the second within which a reader is told."""
    key = create_key(own_cluster.settings, "read")
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, timeout=60) as client:
        eventually(lambda: status(client, key) == 200, 60, "the key is known")
        own_valkey.freeze()
        problem(promptly(lambda: client.get("/v1/users/x:a", headers=bearer(key)), 1.4), 503)
        own_valkey.thaw()


def test_origins_are_closed_unless_named(cluster: Cluster) -> None:
    """And every answer carries the browser's safeguards, also a refusal."""
    named = cluster.start("serve", CLOUT_CORS_ORIGINS="https://a.example").wait_ready()
    closed = cluster.start("serve").wait_ready()
    ours, theirs = {"Origin": "https://a.example"}, {"Origin": "https://b.example"}
    asking = {"Access-Control-Request-Method": "GET"}
    with httpx.Client(base_url=named.url, timeout=60) as client:
        assert client.get("/v1/leaderboard", headers=ours).headers["access-control-allow-origin"] == ours["Origin"]
        assert "access-control-allow-origin" not in client.get("/v1/leaderboard", headers=theirs).headers
        preflight = client.options("/v1/leaderboard", headers=ours | asking)
        assert preflight.status_code == 204
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        assert "access-control-allow-methods" not in client.options("/v1/scores", headers=theirs | asking).headers
    with httpx.Client(base_url=closed.url, timeout=60) as client:
        for answer in (client.get("/v1/leaderboard", headers=ours), client.get("/v1/nowhere"), client.get("/schema")):
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert "strict-transport-security" not in answer.headers
