"""The agent `mastodon`, run by its command against a local server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually_async
from tests.support.peers.mastodon import TOKEN, MastodonPeer, status
from tests.support.topics import all_engagements, has_ids

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest_asyncio.fixture(params=["websocket", "sse"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[MastodonPeer]:
    """A server; one of them has a streaming host that knows only server-sent events, which the agent finds out."""
    peer = await MastodonPeer(by_events=request.param == "sse").start()
    yield peer
    await peer.stop()


async def start(cluster: Cluster, peer: MastodonPeer, token: str = TOKEN) -> Logged:
    """Start the agent and wait until it listens."""
    before = peer.connections
    agent = cluster.run("agent", "mastodon", "--server", peer.url, CLOUT_MASTODON_TOKEN=token)

    async def listens() -> bool:
        return '"event":"listening"' in agent.output() and peer.connections > before

    if token == TOKEN:
        await eventually_async(listens, 60, "the agent listens")
    return agent


async def arrive(cluster: Cluster, expected: set[tuple[str, bool]]) -> None:
    """Wait for what is expected; nothing else may be in the log."""

    async def there() -> bool:
        return await has_ids(cluster.settings, expected)

    await eventually_async(there, 60, "everything is in the log")
    assert {(event.id, event.undo) for event in await all_engagements(cluster.settings)} == expected


async def test_what_others_do_to_the_account_and_public_posts_count(cluster: Cluster, peer: MastodonPeer) -> None:
    """By whichever way it comes it counts once; what was missed while the agent was killed is fetched."""
    agent = await start(cluster, peer)
    peer.faults.garbage_every, peer.faults.repeat_every = 2, 3
    here = f"127.0.0.1:{peer.port}"
    mine = status(50, "me", NOW)
    await peer.notify(1, "favourite", "ada@far.example", NOW, mine)
    await peer.notify(2, "reblog", "ada@far.example", NOW, mine)
    await peer.say("update", status(60, "ada@far.example", NOW, reblog=mine))
    await peer.notify(3, "follow", "bob", NOW)
    await peer.say(
        "update",
        status(
            61,
            "bob",
            NOW,
            in_reply_to_account_id="id-ada@far.example",
            mentions=[{"id": "id-me", "acct": "me"}, {"id": "id-ada@far.example", "acct": "ada@far.example"}],
        ),
    )
    await peer.notify(4, "mention", "bob", NOW, status(62, "bob", NOW, mentions=[{"id": "id-me", "acct": "me"}]))
    await peer.notify(5, "poll", "bob", NOW, mine)
    expected = {
        (f"mastodon:ada@far.example/like/{mine['uri']}", False),
        (f"mastodon:ada@far.example/share/{mine['uri']}", False),
        (f"mastodon:bob@{here}/follow/me@{here}", False),
        (f"mastodon:{here}/status/61#reply/0", False),
        (f"mastodon:{here}/status/62#mention/0", False),
    }
    await arrive(cluster, expected)
    cursor = cluster.settings.data_dir / "cursors" / "mastodon.json"

    async def saved() -> bool:
        return cursor.exists() and '"5"' in cursor.read_text()

    await eventually_async(saved, 60, "the cursor is saved")
    agent.kill()
    for number in range(6, 11):
        await peer.notify(number, "favourite", f"p{number}@far.example", NOW, mine)
    agent = await start(cluster, peer)
    await peer.say("delete", "62")
    missed = {(f"mastodon:p{n}@far.example/like/{mine['uri']}", False) for n in range(6, 11)}
    await arrive(cluster, {*expected, *missed, (f"mastodon:{here}/status/62#mention/0", True)})
    assert await asyncio.to_thread(agent.stop) == 0
    assert "undone 1" in agent.output()


async def test_an_expired_token_is_named_with_what_to_renew(cluster: Cluster, peer: MastodonPeer) -> None:
    """One message, and minutes until the next attempt."""
    agent = await start(cluster, peer, "expired")

    async def said() -> bool:
        return "the token is not accepted: make a token at" in agent.output()

    await eventually_async(said, 60, "it says what to do")
    assert "trying again in 300" in agent.output()
    assert await asyncio.to_thread(agent.stop) == 0


async def test_without_a_token_the_message_says_where_to_make_one(cluster: Cluster, peer: MastodonPeer) -> None:
    """One line, and exit status 1."""
    agent = await start(cluster, peer, "")

    async def ended() -> bool:
        return not agent.is_running()

    await eventually_async(ended, 60, "it ends")
    assert "clout: there is no token: make a token at http://127.0.0.1" in agent.output()
