"""The agent `nostr`, run by its command against local relays."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import msgspec
import pytest
import pytest_asyncio

from pipeline.clock import system_clock
from schemas import Engagement
from tests.support.cluster import Cluster, Logged
from tests.support.eventually import eventually_async
from tests.support.peers.nostr import Person, RelayPeer
from tests.support.topics import all_engagements, has_ids

pytestmark = pytest.mark.integration

ADA, BOB, CAT = (Person(number) for number in (1, 2, 3))


@pytest_asyncio.fixture
async def relays() -> AsyncIterator[list[RelayPeer]]:
    """Two relays."""
    relays = [await RelayPeer().start() for _ in range(2)]
    yield relays
    for relay in relays:
        await relay.stop()


def start(cluster: Cluster, relays: list[RelayPeer]) -> Logged:
    """Start the agent."""
    options = [option for relay in relays for option in ("--relay", relay.url)]
    return cluster.run("agent", "nostr", *options)


async def listening(relays: list[RelayPeer], times: int = 1) -> None:
    """Wait until all relays are asked."""

    async def asked() -> bool:
        return all(len(relay.asked) >= times for relay in relays)

    await eventually_async(asked, 60, "the agent listens")


async def logged(cluster: Cluster, expected: set[tuple[str, bool]]) -> list[Engagement]:
    """Wait for what is expected; nothing else may be in the log."""

    async def there() -> bool:
        return await has_ids(cluster.settings, expected)

    await eventually_async(there, 60, "everything is in the log")
    events = await all_engagements(cluster.settings)
    assert {(event.id, event.undo) for event in events} == expected
    return events


async def test_each_event_counts_once_whoever_tells_of_it(cluster: Cluster, relays: list[RelayPeer]) -> None:
    """A dropped connection, two relays with the same events, senseless messages, forged and old events."""
    now = system_clock() // 1_000 - 60
    agent = start(cluster, relays)
    await listening(relays)
    note = ADA.event(1, now, [], "hello")
    told = [
        note,
        BOB.event(7, now + 1, [["e", note["id"]], ["p", ADA.pubkey]], "+"),
        CAT.event(7, now + 2, [["e", note["id"]], ["p", ADA.pubkey]], "\N{HEAVY BLACK HEART}"),
        BOB.event(7, now + 2, [["e", note["id"]], ["p", ADA.pubkey]], "-"),
        ADA.event(7, now + 2, [["e", note["id"]], ["p", ADA.pubkey]], "+"),
        BOB.event(6, now + 3, [["e", note["id"]], ["p", ADA.pubkey]]),
        BOB.event(1, now + 4, [["e", note["id"], "", "reply", ADA.pubkey], ["p", CAT.pubkey], ["p", ADA.pubkey]], "no"),
        CAT.event(1, now + 5, [["p", ADA.pubkey], ["p", BOB.pubkey]], "you two"),
        BOB.event(7, 1, [["p", ADA.pubkey]], "+"),
    ]
    forged = {**BOB.event(7, now, [["p", CAT.pubkey]], "+"), "content": "!"}
    stolen = {**BOB.event(7, now, [["p", CAT.pubkey]], "+"), "sig": "0" * 128}
    relays[0].faults.garbage_every, relays[0].faults.repeat_every, relays[0].faults.drop_every = 2, 3, 6
    for relay in relays:
        await relay.say(*told, forged, stolen)

    def made(person: Person, number: int, part: str = "") -> tuple[str, bool]:
        return f"{person.user}/{told[number]['id']}{part}", False

    expected = {
        made(BOB, 1),
        made(CAT, 2),
        made(BOB, 5),
        made(BOB, 6, "#reply"),
        made(CAT, 7, "#mention/0"),
        made(CAT, 7, "#mention/1"),
    }
    events = await logged(cluster, expected)
    reply = next(event for event in events if event.id.endswith("#reply"))
    assert (reply.kind, reply.target, reply.object) == ("comment", ADA.user, f"nostr:{note['id']}")
    assert await asyncio.to_thread(agent.stop) == 0
    for reason in ("bad_signature", "dislike 1", "malformed", "repeated", "self 1"):
        assert reason in agent.output()


async def test_a_killed_agent_loses_and_doubles_nothing(cluster: Cluster, relays: list[RelayPeer]) -> None:
    """What relays said while it was away they say again, and what is there twice is the same, with the same stamps."""
    people = [Person(number) for number in range(10, 30)]
    expected = set()
    for round_ in range(3):
        agent = start(cluster, relays)
        await listening(relays, round_ + 1)
        for number in range(200):
            person, relay = people[number % 20], relays[number % 2]
            note = f"{round_ * 200 + number:064x}"
            like = person.event(7, system_clock() // 1_000, [["e", note], ["p", ADA.pubkey]], "+")
            expected.add((f"{person.user}/{like['id']}", False))
            await relay.say(like)
            if number == 100:
                await eventually_async(lambda: begun(cluster), 60, "something was published")
                agent.kill()
    agent = start(cluster, relays)
    events = await logged(cluster, expected)
    assert len({msgspec.json.encode(event) for event in events}) == len(expected)
    assert await asyncio.to_thread(agent.stop) == 0


async def begun(cluster: Cluster) -> bool:
    """Tell whether a cursor was saved."""
    return (cluster.settings.data_dir / "cursors" / "nostr.json").exists()


async def test_follow_lists_are_compared_across_a_kill(cluster: Cluster, relays: list[RelayPeer]) -> None:
    """The first list is where it begins; then each follow and each end of one counts once."""
    now = system_clock() // 1_000 - 60
    agent = start(cluster, relays)
    await listening(relays)
    await relays[0].say(ADA.event(3, now, [["p", BOB.pubkey]]))
    await relays[0].say(ADA.event(3, now + 10, [["p", BOB.pubkey], ["p", CAT.pubkey]]))
    followed = (f"{ADA.user}/follow/{CAT.pubkey}/{now + 10}", False)
    await logged(cluster, {followed})

    async def kept() -> bool:
        path = cluster.settings.data_dir / "memory" / "nostr-follows.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as lists:
            return any(CAT.pubkey.encode() in value for (value,) in lists.execute("SELECT value FROM entries"))

    await eventually_async(kept, 60, "the list is on disk")
    agent.kill()
    agent = start(cluster, relays)
    await listening(relays, 2)
    await relays[1].say(ADA.event(3, now + 20, []))
    events = await logged(cluster, {followed, (followed[0], True)})
    assert {event.target for event in events} == {CAT.user}
    assert await asyncio.to_thread(agent.stop) == 0


async def test_only_the_author_deletes(cluster: Cluster, relays: list[RelayPeer]) -> None:
    """Somebody else's deletion finds nothing."""
    now = system_clock() // 1_000 - 60
    agent = start(cluster, relays)
    await listening(relays)
    like = BOB.event(7, now, [["p", ADA.pubkey]], "+")
    made = f"{BOB.user}/{like['id']}"
    later = BOB.event(7, now + 1, [["p", CAT.pubkey]], "+")
    await relays[0].say(like, CAT.event(5, now + 1, [["e", like["id"]]]), later)
    # What the same relay says later has arrived: so has the deletion before it.
    there = {(made, False), (f"{BOB.user}/{later['id']}", False)}
    await logged(cluster, there)
    await relays[1].say(BOB.event(5, now + 2, [["e", like["id"]]]))
    await logged(cluster, {*there, (made, True)})
    assert await asyncio.to_thread(agent.stop) == 0
    assert "undo_unknown 1" in agent.output()
