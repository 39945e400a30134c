"""The agent `bluesky`, run by its command against local Jetstream servers with faults."""

import asyncio
import os
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from backports.zstd import finalize_dict, train_dict

from pipeline.clock import system_clock
from pipeline.state.sources import SOURCES
from schemas import Engagement
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually_async
from tests.support.history import counted, doubled, held_by_reader, lost
from tests.support.ledger import Ledger
from tests.support.observed import read_scores, wait_for_rest
from tests.support.peers.bluesky import Happenings, commit, tid
from tests.support.peers.jetstream import JetstreamPeer
from tests.support.topics import all_engagements, has_ids, read_topic

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[JetstreamPeer]:
    """A server of version 1."""
    peer = await JetstreamPeer().start()
    yield peer
    await peer.stop()


def happenings(seed: int = 1) -> Happenings:
    """Return what begins to happen a minute ago, 50 times a second."""
    return Happenings(seed, system_clock() * 1_000 - 60_000_000, step_us=20_000)


async def listening(peer: JetstreamPeer, times: int = 1) -> None:
    """Wait until the agent listens."""

    async def asked() -> bool:
        return len(peer.asked) >= times

    await eventually_async(asked, 60, "the agent listens")


def consistent(events: list[Engagement]) -> bool:
    """Tell whether what is in the log twice is the same both times."""
    seen: dict[tuple[str, bool], Engagement] = {}
    return all(seen.setdefault((event.id, event.undo), event) == event for event in events)


async def arrives(cluster: Cluster, told: Happenings) -> list[Engagement]:
    """Wait until all that is expected is in the log, and nothing else; returns it."""

    async def there() -> bool:
        return await has_ids(cluster.settings, told.expected)

    await eventually_async(there, 60, "everything is in the log")
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == told.expected
    return events


@pytest.mark.parametrize("kind", ["version 1", "version 2", "version 2, packed"])
async def test_everything_arrives_once_whatever_the_server_does(cluster: Cluster, kind: str) -> None:
    """Dropped connections, repeated, reordered and senseless messages cost nothing."""
    samples = [os.urandom(16) + b'"collection":"app.bsky.feed.like"' * 8 for _ in range(50)]
    dictionary = finalize_dict(train_dict(samples, 2_048), samples, 2_048, 3).dict_content
    peer = JetstreamPeer(version=int(kind[8]), dictionary=dictionary if "packed" in kind else None)
    await peer.start()
    told = happenings()
    agent = cluster.run("agent", "bluesky", "--host", peer.url)
    await listening(peer)
    peer.faults.drop_every, peer.faults.repeat_every, peer.faults.garbage_every = 700, 7, 50
    peer.faults.shuffle = 5
    for _ in range(4):
        await peer.say(*told.frames(500))
    events = await arrives(cluster, told)
    assert len({event.actor_nth for event in events}) > 3, "they are stamped"
    assert await asyncio.to_thread(agent.stop) == 0
    assert "malformed" in agent.output()
    assert "repeated" in agent.output()
    await peer.stop()


async def test_a_killed_agent_goes_on_where_it_was(cluster: Cluster, peer: JetstreamPeer) -> None:
    """None is lost, what is sent twice is the same, with the same stamps, and counts once."""
    worker = cluster.start("worker")
    told = happenings()
    for _ in range(3):
        agent = cluster.run("agent", "bluesky", "--host", peer.url)
        await listening(peer, len(peer.asked) + 1)
        for _ in range(5):
            await peer.say(*told.frames(300))
        await eventually_async(lambda: begun(cluster), 60, "something was published")
        agent.kill()
    agent = cluster.run("agent", "bluesky", "--host", peer.url)
    events = await arrives(cluster, told)
    assert consistent(events)
    assert await asyncio.to_thread(agent.stop) == 0
    everything = len(await read_topic(cluster.settings, *SOURCES))
    [reading] = await asyncio.to_thread(wait_for_rest, [worker], everything)
    # Posts are repeated, too.
    assert reading.fates()["duplicate"] >= len(events) - len(told.expected)
    ledger = Ledger(1)
    ledger.acknowledge(events)
    found = counted(held_by_reader(await read_scores(cluster.settings)).values())
    assert lost(ledger.expected(), found) == doubled(ledger.expected(), found) == []


async def begun(cluster: Cluster) -> bool:
    """Tell whether a cursor was saved."""
    return (cluster.settings.data_dir / "cursors" / "bluesky.json").exists()


async def test_another_server_takes_over_where_one_failed(cluster: Cluster, peer: JetstreamPeer) -> None:
    """The second sees everything two seconds later: the rewind covers that."""
    other = await JetstreamPeer(skew_us=2_000_000).start()
    told = happenings()
    agent = cluster.run("agent", "bluesky", "--host", peer.url, "--host", other.url)
    await listening(peer)
    frames = list(told.frames(600))
    await peer.say(*frames[:400])
    await eventually_async(lambda: begun(cluster), 60, "something was published")
    await peer.stop()
    await other.say(*frames)
    await arrives(cluster, told)
    assert await asyncio.to_thread(agent.stop) == 0
    await other.stop()


async def test_a_deletion_after_a_restart_withdraws_with_the_same_stamps(cluster: Cluster, peer: JetstreamPeer) -> None:
    """What was published is remembered on disk; what was not is counted, by its age."""
    now = system_clock() * 1_000
    like = {"subject": {"uri": "at://did:plc:bbb/app.bsky.feed.post/3m", "cid": "bafy"}}
    agent = cluster.run("agent", "bluesky", "--host", peer.url)
    await listening(peer)
    await peer.say(commit("did:plc:aaa", now, "create", "app.bsky.feed.like", tid(now), like))
    await eventually_async(lambda: begun(cluster), 60, "the like was published")
    assert await asyncio.to_thread(agent.stop) == 0
    agent = cluster.run("agent", "bluesky", "--host", peer.url)
    await listening(peer, 2)
    year_ago = now - 365 * 86_400_000_000
    for rkey in (tid(now), tid(now - 60_000_000), tid(year_ago)):
        now += 1
        await peer.say(commit("did:plc:aaa", now, "delete", "app.bsky.feed.like", rkey))

    async def undone() -> list[Engagement]:
        return [event for event in await all_engagements(cluster.settings) if event.undo]

    (undo,) = await eventually_async(undone, 60, "the like is withdrawn")
    (made,) = {event for event in await all_engagements(cluster.settings) if not event.undo}
    assert msgspec.structs.replace(undo, undo=False) == made
    assert await asyncio.to_thread(agent.stop) == 0
    assert "undo_expired 1, undo_unknown 1" in agent.output()


async def test_a_server_that_refuses_is_named_and_not_hammered(cluster: Cluster, peer: JetstreamPeer) -> None:
    """The message says what it answered; the next attempt is minutes away, and a stop is still at once."""
    peer.faults.refuse, peer.faults.status = 100, 403
    agent = cluster.run("agent", "bluesky", "--host", peer.url)

    async def said() -> bool:
        return "answers 403 refused: this server serves only whom it knows; trying again in 300" in agent.output()

    await eventually_async(said, 60, "it says so")
    assert await asyncio.to_thread(agent.stop) == 0
    assert len(peer.asked) == 1


async def test_a_second_agent_of_the_same_name_is_refused(cluster: Cluster, peer: JetstreamPeer) -> None:
    """Both would write the same cursor."""
    first = cluster.run("agent", "bluesky", "--host", peer.url)
    await listening(peer)
    second = cluster.run("agent", "bluesky", "--host", peer.url)
    await eventually_async(lambda: ended(second), 60, "the second ends")
    assert "another agent of this name uses it" in second.output()
    assert "Traceback" not in second.output()
    assert await asyncio.to_thread(first.stop) == 0


async def ended(process: Logged) -> bool:
    """Tell whether a process has ended."""
    return not process.is_running()
