"""The agent `activitypub`, run by its command: another server delivers, and somebody tries to."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pipeline.local.ports import is_listening
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.peers.fediverse import FediversePeer
from tests.support.ports import free_port
from tests.support.topics import all_engagements

pytestmark = pytest.mark.integration

NOTE = "https://home.example/users/me/statuses/50"


class Delivering:
    """A server that delivers to the agent's inbox."""

    def __init__(self, cluster: Cluster, peer: FediversePeer) -> None:
        self.peer = peer
        self._cluster = cluster
        self._port = free_port()
        self.inbox = f"http://127.0.0.1:{self._port}/users/me/inbox"
        self.agent: Logged
        self.start()

    def start(self) -> None:
        """Start the agent."""
        hosts = {"CLOUT_PRIVATE_HOSTS": '["127.0.0.1"]'}
        self.agent = self._cluster.run("agent", "activitypub", "--port", str(self._port), **hosts)
        eventually(lambda: is_listening(self._port), 60, f"the agent listens; its log is {self.agent.log}")

    def send(self, kind: str, thing: Any, actor: str = "ada", **fields: Any) -> int:
        """Deliver an activity; returns the status."""
        activity = {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": f"{self.peer.url}/activities/1",
            "type": kind,
            "actor": f"{self.peer.url}/users/{actor}",
            "object": thing,
            **fields,
        }
        return self.peer.deliver(self.inbox, actor, json.dumps(activity).encode()).status_code


@pytest.fixture
def server(cluster: Cluster) -> Iterator[Delivering]:
    """A server that delivers."""
    peer = FediversePeer()
    yield Delivering(cluster, peer)
    peer.stop()


async def test_activities_count_once_and_can_be_undone_after_a_kill(server: Delivering, cluster: Cluster) -> None:
    """Texts, objects and lists alike."""
    ada = f"ada@{server.peer.name}"
    note = f"{server.peer.url}/notes/7"
    assert server.send("Like", NOTE) == 202
    assert server.send("Like", [{"type": "Note", "id": NOTE}]) == 202
    assert server.send("Announce", [NOTE, "https://home.example/@bob/51"]) == 202
    assert server.send("Follow", {"type": "Person", "id": "https://home.example/users/Me"}) == 202
    assert server.send("Create", {"type": "Note", "id": note, "inReplyTo": NOTE}) == 202
    mention = {"type": "Mention", "href": "https://home.example/users/me"}
    assert server.send("Create", {"type": ["Note"], "id": f"{note}1", "tag": [mention]}) == 202
    server.agent.kill()
    server.start()
    assert server.send("Undo", {"type": "Like", "actor": f"{server.peer.url}/users/ada", "object": NOTE}) == 202
    assert server.send("Delete", {"type": "Tombstone", "id": note}) == 202
    expected = {
        (f"mastodon:{ada}/like/{NOTE}", False),
        (f"mastodon:{ada}/share/{NOTE}", False),
        (f"mastodon:{ada}/share/https://home.example/@bob/51", False),
        (f"mastodon:{ada}/follow/me@home.example", False),
        (f"mastodon:{note}#reply", False),
        (f"mastodon:{note}1#mention/0", False),
        (f"mastodon:{ada}/like/{NOTE}", True),
        (f"mastodon:{note}#reply", True),
    }
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == expected
    assert {event.target for event in events} == {"mastodon:me@home.example", "mastodon:bob@home.example"}
    assert server.agent.stop() == 0


async def test_what_was_answered_survives_kills_and_counts_once(server: Delivering, cluster: Cluster) -> None:
    """A server sends again what had no 202."""
    expected = set()
    for round_ in range(3):
        for number in range(20):
            actor, note = f"p{number}", f"{NOTE}{round_}"
            expected.add((f"mastodon:{actor}@{server.peer.name}/like/{note}", False))
            assert server.send("Like", note, actor) == 202
        server.agent.kill()
        server.start()
        assert server.send("Like", f"{NOTE}{round_}", "p19") == 202, "once more"
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == expected
    assert len({msgspec.json.encode(event) for event in events}) == len(expected), "what is there twice is the same"
    assert server.agent.stop() == 0


async def test_what_is_not_signed_by_its_actor_is_refused(server: Delivering, cluster: Cluster) -> None:
    """Another actor, body, date, key or none; keys that lie in this network, or behind a redirect."""
    body = json.dumps({"type": "Like", "actor": f"{server.peer.url}/users/eve", "object": NOTE}).encode()
    peer, inbox = server.peer, server.inbox
    assert peer.deliver(inbox, "ada", body).status_code == 401, "ada signs for eve"
    assert peer.deliver(inbox, "eve", body, digest="SHA-256=AAAA").status_code == 401
    assert peer.deliver(inbox, "eve", body, date="Mon, 01 Jan 2024 00:00:00 GMT").status_code == 401
    assert peer.deliver(inbox, "eve", body, signature="").status_code == 401
    for key in (
        "http://localhost:1/users/eve",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/users/eve",
        "https://10.0.0.1/users/eve",
        "file:///etc/passwd",
        "https://user:pass@home.example/users/eve",
        f"{peer.url}/redirect",
    ):
        peer.documents["/redirect"] = f"{peer.url}/users/eve"
        assert peer.deliver(inbox, "eve", body, key_id=key).status_code == 401, key
    assert "/users/eve" not in peer.asked[-1:], "a redirect is not followed"
    assert peer.deliver(inbox, "eve", body).status_code == 202
    assert [event.actor for event in await all_engagements(cluster.settings)] == [f"mastodon:eve@{peer.name}"]
    assert server.agent.stop() == 0
    assert "bad_signature 11" in server.agent.output()


async def test_signatures_of_the_newer_kind_are_as_good(server: Delivering, cluster: Cluster) -> None:
    """RFC 9421: a signature over method, address and body, made lately; nothing less."""
    peer, inbox = server.peer, server.inbox
    body = json.dumps({"type": "Like", "actor": f"{peer.url}/users/eve", "object": NOTE}).encode()
    named = '"@method" "@authority" "@path" "@query" "content-digest"'
    assert peer.deliver_newer(inbox, "eve", body).status_code == 202
    refused = [
        peer.deliver_newer(inbox, "ada", body),
        peer.deliver_newer(inbox, "eve", body, names='"@method" "content-digest"'),
        peer.deliver_newer(inbox, "eve", body, names='"@target-uri" "content-digest"'),
        peer.deliver_newer(inbox, "eve", body, names='"@method" "@target-uri"'),
        peer.deliver_newer(inbox, "eve", body, created=int(time.time()) - 7_200),
        peer.deliver_newer(inbox, "eve", body, extra=f";expires={int(time.time()) - 1}"),
        peer.deliver_newer(inbox, "eve", body, extra=';alg="hmac-sha256"'),
        peer.deliver_newer(inbox, "eve", body, **{"content-digest": "sha-256=:AAAA:"}),
        peer.deliver_newer(inbox, "eve", body, **{"content-digest": "md5=:AAAA:"}),
        peer.deliver_newer(inbox, "eve", body, signature="sig1=:AAAA:"),
        peer.deliver_newer(inbox, "eve", body, signature="sig2=:AAAA:"),
        peer.deliver_newer(inbox, "eve", body, **{"signature-input": 'sig1=("@method"'}),
        peer.deliver_newer(inbox, "eve", body + b" ", host="elsewhere.example"),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert peer.deliver_newer(inbox, "eve", body, names=named, extra=';alg="rsa-v1_5-sha256"').status_code == 202
    events = await all_engagements(cluster.settings)
    assert {event.id for event in events} == {f"mastodon:eve@{peer.name}/like/{NOTE}"}
    assert server.agent.stop() == 0
    assert f"bad_signature {len(refused)}" in server.agent.output()


async def test_hostile_activities_are_counted_and_do_no_harm(server: Delivering, cluster: Cluster) -> None:
    """Everything may be of any type and size."""
    peer = server.peer
    for body in (b"[" * 100_000, b'{"a":"\xff"}', b"7", b""):
        assert peer.deliver(server.inbox, "ada", body).status_code == 400
    for thing in (None, 7, [], [[["x"]]], {"id": 7}, "x" * 1_000_000, {"id": {"id": {}}}, "https://[broken/users/me"):
        assert server.send("Like", thing) == 202
        assert server.send("Create", thing) == 202
        assert server.send("Undo", thing) == 202
        assert server.send("Delete", thing) == 202
    assert server.send("Delete", NOTE) == 202, "not theirs"
    for published in ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        assert server.send("Like", NOTE, published=published) == 202
    assert await all_engagements(cluster.settings) == []
    assert server.agent.stop() == 0
    assert "implausible_time 2, malformed 4" in server.agent.output()
    assert "Traceback" not in server.agent.output()
