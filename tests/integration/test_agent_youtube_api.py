"""The agent `youtube`, run by its command against a local Data API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from schemas import Post
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually, eventually_async
from tests.support.peers.youtube import CHANNEL, KEY, YouTubePeer
from tests.support.topics import all_engagements, has_ids, read_topic

pytestmark = pytest.mark.integration


@pytest.fixture
def api() -> Iterator[YouTubePeer]:
    """YouTube."""
    peer = YouTubePeer()
    yield peer
    peer.stop()


def start(cluster: Cluster, api: YouTubePeer, key: str = KEY) -> Logged:
    """Start the agent."""
    return cluster.run("agent", "youtube", "--channel", CHANNEL, CLOUT_YOUTUBE_KEY=key, CLOUT_YOUTUBE_API=api.url)


def say(api: YouTubePeer, count: int) -> set[tuple[str, bool]]:
    """Write so many comments; returns the ids that they must have in the log."""
    first, now = len(api.comments), datetime.now(UTC)
    for number in range(first, first + count):
        api.comments.insert(0, (f"Ug{number}", f"UC-fan-{number}", now + timedelta(milliseconds=number - 9_999)))
    return {(f"youtube:comment/Ug{number}", False) for number in range(first, first + count)}


def tens(name: str, until: int) -> set[tuple[str, bool]]:
    """Return the ids of a video's likes."""
    return {(f"youtube:video/{name}/like/total/{n}", False) for n in range(10, until + 1, 10)}


async def arrive(cluster: Cluster, expected: set[tuple[str, bool]]) -> None:
    """Wait for what is expected; nothing else may be in the log, and what is there twice is the same."""

    async def there() -> bool:
        return await has_ids(cluster.settings, expected)

    await eventually_async(there, 60, "everything is in the log")
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == expected
    assert len({msgspec.json.encode(event) for event in events}) == len(expected)


async def test_comments_and_totals_are_neither_lost_nor_doubled_by_kills(cluster: Cluster, api: YouTubePeer) -> None:
    """Comments by who wrote them, over several pages; likes by difference; each video is one post."""
    api.likes, api.published = {"a": 57}, {"a": datetime.now(UTC) - timedelta(hours=1)}
    expected = say(api, 12) | tens("a", 57)
    for round_ in range(3):
        agent = start(cluster, api)
        await arrive(cluster, expected)
        agent.kill()
        api.likes["a"] += 33
        api.subscribers += 10
        expected |= say(api, 7) | tens("a", api.likes["a"])
        expected.add((f"youtube:channel/{CHANNEL}/follow/total/{1_010 + 10 * round_}", False))
    agent = start(cluster, api)
    await arrive(cluster, expected)
    records = await read_topic(cluster.settings, "posts")
    assert {msgspec.json.decode(record.value or b"", type=Post).id for record in records} == {"youtube:yt:video:a"}
    assert agent.stop() == 0
    assert "known" in agent.output()


async def test_a_channel_without_comments_is_read_all_the_same(cluster: Cluster, api: YouTubePeer) -> None:
    """They are turned off here and there; and a new video begins at 0."""
    api.likes, api.published, api.comments_disabled = {"a": 20}, {"a": datetime.now(UTC)}, True
    agent = start(cluster, api)
    await arrive(cluster, tens("a", 20))
    assert agent.stop() == 0
    assert "trying again" not in agent.output()


def test_an_expired_key_is_named_with_what_to_renew(cluster: Cluster, api: YouTubePeer) -> None:
    """One message, minutes until the next attempt, and the key is nowhere in the log."""
    agent = start(cluster, api, "old-k3y")
    eventually(lambda: "trying again in 300" in agent.output(), 60, "it says what to do")
    assert "API key expired.: make a key for the YouTube Data API at" in agent.output()
    assert agent.stop() == 0
    assert "old-k3y" not in agent.output()
    without = start(cluster, api, "")
    eventually(lambda: not without.is_running(), 60, "it ends")
    assert "there is no key: make a key" in without.output()
