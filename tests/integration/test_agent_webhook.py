"""The agent `webhook`, run by its command: networks that POST, and others who try."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipeline.local.ports import is_listening
from tests.support.cluster import Broker, Cluster, Logged
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.topics import all_engagements

pytestmark = pytest.mark.integration

REPOSITORY = {"id": 9, "owner": {"id": 1, "login": "owner"}}


class Hub:
    """GitHub, as far as it POSTs."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        self._cluster = cluster
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.agent: Logged
        self.start()

    def start(self) -> None:
        """Start the agent."""
        secrets = json.dumps({"github": "s3cret", "facebook": "s"})
        self.agent = self._cluster.run("agent", "webhook", "--port", str(self.port), CLOUT_WEBHOOK_SECRETS=secrets)
        eventually(lambda: is_listening(self.port), 60, f"the agent listens; its log is {self.agent.log}")

    def post(self, event: str, body: Any, *, secret: bytes = b"s3cret") -> httpx.Response:
        """POST what happened, signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = hmac.new(secret, raw, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={signature}"}
        return self.client.post("/github", content=raw, headers=headers)

    def star(self, actor: int, **changes: Any) -> httpx.Response:
        """POST a star."""
        return self.post(
            "star",
            {"action": "created", "repository": REPOSITORY, "sender": {"id": actor, "login": f"p{actor}"}, **changes},
        )


@pytest.fixture
def hub(cluster: Cluster) -> Iterator[Hub]:
    """GitHub and an agent that listens."""
    hub = Hub(cluster)
    yield hub
    hub.client.close()


async def test_what_was_answered_is_in_the_log_also_after_a_kill(hub: Hub, cluster: Cluster) -> None:
    """200 means stored; a star that is taken back after a restart is withdrawn with its stamps."""
    for actor in range(100, 130):
        assert hub.star(actor).text == "stored\n"
    hub.agent.kill()
    hub.start()
    assert hub.star(100).status_code == 200, "GitHub may send it again"
    assert hub.star(101, action="deleted").status_code == 200
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == {
        *((f"github:star/{actor}/9", False) for actor in range(100, 130)),
        ("github:star/101/9", True),
    }
    first, second = (event for event in events if event.actor == "github:p100")
    assert first == second
    made, undo = (event for event in events if event.actor == "github:p101")
    assert (made.time, made.actor_nth) == (undo.time, undo.actor_nth)
    assert hub.agent.stop() == 0


async def test_nobody_else_is_listened_to(hub: Hub, cluster: Cluster) -> None:
    """A wrong signature is 401, counted, and never looked at."""
    assert hub.post("star", {"action": "created"}, secret=b"guess").status_code == 401
    assert hub.client.post("/github", content=b"{}").status_code == 401
    assert hub.client.post("/twitter", content=b"{}").status_code == 404
    assert hub.client.get("/facebook", params={"hub.challenge": "1", "hub.verify_token": "x"}).status_code == 403
    assert hub.client.put("/github").status_code == 405
    assert hub.star(7).status_code == 200
    assert [event.actor for event in await all_engagements(cluster.settings)] == ["github:p7"]
    metrics = httpx.get(f"http://127.0.0.1:{cluster.settings.agent_port}/metrics", timeout=60).text
    assert 'clout_agent_skipped_total{agent="webhook",reason="bad_signature"} 2.0' in metrics
    assert hub.agent.stop() == 0


async def test_hostile_bodies_are_counted_and_do_no_harm(hub: Hub, cluster: Cluster) -> None:
    """Long, deep, of wrong types, no UTF-8, of another age."""
    fork = {"forkee": {"id": 5, "owner": {"id": 3, "login": "p3"}}, "repository": REPOSITORY}
    for created in ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        assert hub.post("fork", {**fork, "forkee": {**fork["forkee"], "created_at": created}}).status_code == 200  # type: ignore[dict-item]
    assert hub.star(1, sender={"id": "x" * 1_000_000, "login": "p"}).status_code == 200
    assert hub.star(1, sender=["no"]).status_code == 200
    assert hub.star(1, sender={"id": {"a": []}}, repository=None).status_code == 200
    assert hub.post("star", b"[" * 100_000).status_code == 400
    assert hub.post("star", b'{"a": "\xff\xfe"}').status_code == 400
    assert hub.post("star", b"").status_code == 400
    assert hub.post("star", b"7").status_code == 200
    assert hub.post("star", b" " * (3 << 20)).status_code == 413
    assert hub.star(7).status_code == 200
    assert [event.actor for event in await all_engagements(cluster.settings)] == ["github:p7"]
    assert hub.agent.stop() == 0
    assert "id_too_long 1, implausible_time 2, malformed 3, missing_field 2, unmapped 1" in hub.agent.output()


def test_without_the_broker_a_network_is_asked_to_come_again(own_cluster: Cluster, own_broker: Broker) -> None:
    """503, and the second delivery counts once."""
    hub = Hub(own_cluster)
    assert hub.star(1).status_code == 200
    own_broker.freeze()
    assert hub.star(2).status_code == 503
    own_broker.thaw()
    eventually(lambda: hub.star(2).status_code == 200, 60, "it is stored")
    assert hub.agent.stop() == 0
    hub.client.close()


def test_without_a_secret_the_message_says_what_to_set(cluster: Cluster) -> None:
    """One line, and exit status 1."""
    agent = cluster.run("agent", "webhook")
    eventually(lambda: not agent.is_running(), 60, "it ends")
    assert 'no network has a secret: set CLOUT_WEBHOOK_SECRETS={"github": ".."}' in agent.output()
    other = cluster.run("agent", "webhook", CLOUT_WEBHOOK_SECRETS='{"myspace": "x"}')
    eventually(lambda: not other.is_running(), 60, "it ends")
    assert "CLOUT_WEBHOOK_SECRETS names myspace; known are facebook, github" in other.output()
