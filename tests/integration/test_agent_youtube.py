"""YouTube through the agent `webhook`, run by its command: its hub tells of videos, a poller POSTs totals."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from agents.webhooks.signing import verify_token
from pipeline.local.ports import is_listening
from schemas import Post
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.topics import all_engagements, read_topic

pytestmark = pytest.mark.integration

CHANNEL = "UC_x5XG1OV2P6uZZ5FSM9Ttw"
TOPIC = f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={CHANNEL}"


class Hub:
    """Google's hub, as far as it asks and tells, and a poller of the API."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        self._cluster = cluster
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.published = datetime.now(UTC) - timedelta(minutes=1)
        self.agent: Logged
        self.start()

    def start(self) -> None:
        """Start the agent."""
        secrets = json.dumps({"youtube": "s3cret"})
        self.agent = self._cluster.run("agent", "webhook", "--port", str(self.port), CLOUT_WEBHOOK_SECRETS=secrets)
        eventually(lambda: is_listening(self.port), 60, f"the agent listens; its log is {self.agent.log}")

    def ask(self, **changes: str) -> httpx.Response:
        """Ask whether a subscription is wanted."""
        query = {"hub.mode": "subscribe", "hub.topic": TOPIC, "hub.challenge": "c4", "hub.lease_seconds": "3600"}
        return self.client.get("/youtube", params=query | {k.replace("_", ".", 1): v for k, v in changes.items()})

    def tell(self, body: str | dict[str, Any], *, secret: bytes = b"s3cret") -> int:
        """POST a feed, or an answer of the API; returns the status."""
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        signature = hmac.new(secret, raw, hashlib.sha1).hexdigest()
        return self.client.post("/youtube", content=raw, headers={"X-Hub-Signature": f"sha1={signature}"}).status_code

    def video(self, name: str, title: str = "title") -> str:
        """Return the feed that tells of a video."""
        return f"""<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry>
            <id>yt:video:{name}</id><yt:videoId>{name}</yt:videoId><yt:channelId>{CHANNEL}</yt:channelId>
            <title>{title}</title><author><name>Channel</name></author>
            <published>{self.published.isoformat()}</published></entry></feed>"""

    def likes(self, count: int, name: str = "a") -> dict[str, Any]:
        """Return what the API says of a video."""
        snippet = {"publishedAt": self.published.isoformat(), "channelId": CHANNEL}
        return {"items": [_item("video", name, snippet, likeCount=str(count))]}


def _item(kind: str, name: str, snippet: dict[str, Any], **statistics: str) -> dict[str, Any]:
    return {"kind": f"youtube#{kind}", "id": name, "snippet": snippet, "statistics": statistics}


@pytest.fixture
def hub(cluster: Cluster) -> Iterator[Hub]:
    """A hub and an agent that listens."""
    hub = Hub(cluster)
    yield hub
    hub.client.close()


async def posts(cluster: Cluster) -> list[tuple[str, bool]]:
    """Return the posts in the log."""
    records = await read_topic(cluster.settings, "posts")
    return [(post.id, post.undo) for post in (msgspec.json.decode(r.value or b"", type=Post) for r in records)]


def test_a_hub_is_answered_for_subscriptions_of_one_s_own(hub: Hub) -> None:
    """And what ends within the day is told when the agent starts."""
    token = verify_token("s3cret")
    assert hub.ask().status_code == 404
    assert hub.ask(hub_topic="https://elsewhere.example/feed", hub_verify_token=token).status_code == 404
    assert hub.ask(hub_verify_token=token).text == "c4"
    hub.agent.kill()
    hub.start()
    eventually(lambda: '"event":"a subscription ends soon"' in hub.agent.output(), 60, "it is told")
    assert CHANNEL in hub.agent.output()
    assert hub.ask(hub_mode="unsubscribe", token=token).text == "c4"
    assert hub.agent.stop() == 0


async def test_a_video_is_one_post_however_often_it_is_told_of(hub: Hub, cluster: Cluster) -> None:
    """Titles are edited; a killed agent still knows; a video that is taken away is withdrawn."""
    assert hub.tell(hub.video("a")) == 200
    assert hub.tell(hub.video("a", "a better title")) == 200
    hub.agent.kill()
    hub.start()
    assert hub.tell(hub.video("a", "a third title")) == 200
    assert hub.tell(hub.video("b")) == 200
    gone = '<feed xmlns="x"><deleted-entry ref="yt:video:b" when="2026-11-22T05:00:00Z"/></feed>'
    assert hub.tell(gone) == 200
    assert hub.tell(hub.video("c"), secret=b"guess") == 401
    assert hub.tell("<feed>") == 400
    assert hub.tell(hub.likes(0)) == 200
    ids = ("youtube:yt:video:a", "youtube:yt:video:b")
    assert sorted(await posts(cluster)) == [(ids[0], False), (ids[1], False), (ids[1], True)]
    assert hub.agent.stop() == 0
    assert "bad_signature 1, known 1, malformed 1, same_total 1" in hub.agent.output()


async def test_totals_are_neither_lost_nor_counted_twice_by_kills(hub: Hub, cluster: Cluster) -> None:
    """Each ten of a total is one event, though the agent is killed between answers, and falls come in between."""
    highest = 0
    for round_ in range(4):
        for step in range(5):
            highest += 137
            assert hub.tell(hub.likes(highest)) == 200
            assert hub.tell(hub.likes(highest - 60)) == 200
            if step == 3 and round_ < 3:
                hub.agent.kill()
                hub.start()
    events = await all_engagements(cluster.settings)
    assert {event.id for event in events} == {
        f"youtube:video/a/like/total/{n}" for n in range(10, highest // 10 * 10 + 1, 10)
    }
    by_id: dict[str, set[bytes]] = {}
    for event in events:
        by_id.setdefault(event.id, set()).add(msgspec.json.encode(event))
    assert {len(same) for same in by_id.values()} == {1}, "what is in the log twice is the same both times"
    assert {event.actor_score for event in events} == {0.0}
    assert {event.actor for event in events} == {
        f"youtube:aggregate/{CHANNEL}/{n}" for n in range(1, highest // 10 + 1)
    }
    assert hub.agent.stop() == 0
