"""An owner that looks after its changelog: what another worker wrote there is found, and written again."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.changelog import changelog_of
from pipeline.kafka import client_options
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.state.forgetting import drop_rows
from pipeline.state.overtaken import Overtaken
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.streams.batches import Acknowledged, BatchWriter
from pipeline.streams.emission import Emission
from pipeline.streams.zombies import LOOK_S, Tail, Zombies
from pipeline.topics import ensure_topics
from tests.unit.state.log import changelog, engagement, folded

pytestmark = pytest.mark.integration

USERS = ("bluesky:a", "bluesky:b", "bluesky:c")
Record = tuple[bytes, bytes | None]


def partition(*users: str) -> Partition:
    """Return a settled partition of one like for each of these users."""
    part = folded(*(engagement(target=user) for user in users))
    part.dirty[:] = part.owed[:] = False
    return part


class Owner:
    """The owner of partition 0, with a clock of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.part = partition(*USERS)
        self.part.write_as(4)
        self.now = 0.0
        self.held = {0: self.part}
        self.tails = {0: Tail(0)}
        self.deleted: list[tuple[int, set[bytes]]] = []
        self.asked = 0
        self.answers = True
        self.zombies = Zombies(settings, lambda: self.tails, lambda: self.now)
        self.emission = Emission(settings)

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Answer as the worker's consumer does."""
        self.asked += 1
        if not self.answers:
            return {}
        async with LogReader(self.settings) as reader:
            return await reader.ends(list(partitions))

    async def look(self) -> list[str]:
        """Let the time of a look come; return the users whose rows it will write again."""
        self.now += LOOK_S
        await self.zombies.look(self, self.held, lambda number, keys: self.deleted.append((number, keys)))
        dirty = self.part.dirty[: len(self.part)]
        return [user.decode() for row, user in enumerate(self.part.ids) if dirty[row]]

    async def write(self, records: Sequence[Record]) -> None:
        """Write as the owner does."""
        self.tails[0].wrote(await write(self.settings, records))


async def write(settings: Settings, records: Sequence[Record]) -> list[Acknowledged]:
    """Write to the changelog of partition 0, whoever that is."""
    to = changelog_of(settings, 0)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        writer = BatchWriter(producer)
        writer.extend(to.topic, to.partition, *Packed.of_pairs(list(records)), 1_700_000_000_000)
        await writer.flush()
        return writer.acknowledged[to]


@pytest.fixture
def owner(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """Own partition 0, of which nothing has been written; a slow machine has the time that it needs."""
    monkeypatch.setattr("pipeline.streams.zombies.READ_S", 60.0)
    asyncio.run(ensure_topics(settings))
    return Owner(settings)


async def test_what_only_the_owner_wrote_is_not_read(owner: Owner) -> None:
    """Its batches follow each other, and the end is where it must be."""
    for _ in range(3):
        await owner.write(changelog(owner.part, generation=4))
    assert owner.tails[0] == Tail(12)
    # Were it read, it would be found: this one is a zombie's, and nobody can know.
    owner.part.owner = 5
    assert await owner.look() == []
    assert owner.asked == 1


async def test_a_zombies_rows_are_written_again_and_all_documents_emitted(owner: Owner) -> None:
    """Documents as soon as they are newer than the zombie's, which had read another topic further."""
    await owner.write(changelog(owner.part, generation=4))
    zombie = partition(*USERS[:2])
    zombie.positions[1] += 10
    await write(owner.settings, changelog(zombie, generation=3))
    await owner.write(changelog(partition(USERS[1]), generation=4))
    assert await owner.look() == [USERS[0]]
    assert owner.zombies.owe(owner.part, owner.emission), "the partition's own record is the zombie's now, too"
    assert not owner.part.owed.any()
    assert not owner.zombies.owe(owner.part, owner.emission)
    drop_rows(owner.part, [USERS[2]])
    owner.part.positions[1] += 10
    owner.zombies.owe(owner.part, owner.emission)
    held = [owner.part.index[user.encode()] for user in USERS[:2]]
    assert owner.part.owed.nonzero()[0].tolist() == held
    assert [due.rows.tolist() for due in owner.emission.due(owner.part, 1)] == [held]
    owner.part.owed[:] = False
    owner.zombies.owe(owner.part, owner.emission)
    assert not owner.part.owed.any(), "once"
    owner.part.dirty[:] = False
    assert await owner.look() == [], "each zombie's record is found once"


async def test_what_a_zombie_sent_may_hide_ours(owner: Owner) -> None:
    """Until our place in the log is behind its own: then everyone's document goes out once more."""
    everyone = list(range(len(USERS)))
    owner.tails[0].hidden_to = owner.part.version + 5
    for moved, owed in ((5, []), (1, everyone), (1, [])):
        owner.part.owed[:] = owner.part.dirty[:] = False
        owner.part.positions[0] += moved
        assert not owner.zombies.owe(owner.part, owner.emission)
        assert owner.part.owed.nonzero()[0].tolist() == owner.part.dirty.nonzero()[0].tolist() == owed


async def test_a_zombie_that_nobody_follows_is_found(owner: Owner) -> None:
    """A partition at rest: no acknowledgement tells, but the end does."""
    await owner.write(changelog(owner.part, generation=4))
    await write(owner.settings, changelog(partition(USERS[1]), generation=3))
    assert await owner.look() == [USERS[1]]


async def test_a_zombie_is_found_however_much_follows(owner: Owner) -> None:
    """Whatever the broker says of the end."""
    await owner.write(changelog(owner.part, generation=4))
    await write(owner.settings, changelog(partition(USERS[0]), generation=3))
    await owner.write([*changelog(partition(USERS[1]), generation=4)] * 50)
    assert await owner.look() == [USERS[0]]


async def test_a_user_who_was_dropped_while_it_was_read_is_not_written(owner: Owner) -> None:
    """A row without an id would be nobody's, and no recovery could read it."""
    await write(owner.settings, changelog(partition(*USERS), generation=3))
    found = Overtaken(owner.part)
    found.add(*Packed.of_pairs(changelog(partition(*USERS), generation=3)))
    drop_rows(owner.part, [USERS[1]])
    assert [owner.part.ids[row].decode() for row in found.rows().tolist()] == [USERS[0], USERS[2]]


async def test_records_that_came_twice_are_the_owners_still(owner: Owner) -> None:
    """A producer that repeats a request writes more than it knows of."""
    await owner.write(changelog(owner.part, generation=4))
    await write(owner.settings, changelog(owner.part, generation=4))
    await owner.write(changelog(owner.part, generation=4))
    assert owner.tails[0].suspect == 4
    assert await owner.look() == []
    assert not owner.zombies.owe(owner.part, owner.emission)
    assert owner.tails[0] == Tail(12)


async def test_an_acknowledgement_without_an_offset_is_looked_after(owner: Owner) -> None:
    """Kafka had the batch already: where it stands, only the log knows."""
    await write(owner.settings, changelog(owner.part, generation=4))
    owner.tails[0].wrote([Acknowledged(-1, 4)])
    assert owner.tails[0].suspect == 0
    assert await owner.look() == []
    assert owner.tails[0] == Tail(4)


async def test_a_broker_that_does_not_answer_is_asked_again(owner: Owner) -> None:
    """Nothing is taken as seen meanwhile."""
    await owner.write(changelog(owner.part, generation=4))
    await write(owner.settings, changelog(partition(USERS[2]), generation=3))
    owner.answers = False
    assert await owner.look() == []
    await owner.write(changelog(partition(USERS[0]), generation=4))
    owner.answers = True
    assert await owner.look() == [USERS[2]]


async def test_a_broker_that_is_gone_is_asked_again(owner: Owner) -> None:
    """It is the round's own writes that end a worker, not a look."""
    await write(owner.settings, changelog(partition(USERS[2]), generation=3))
    await owner.write(changelog(partition(USERS[0]), generation=4))
    owner.answers = False
    connects, nowhere = owner.zombies, owner.settings.model_copy(update={"broker": "kafka://127.0.0.1:1"})
    owner.zombies = Zombies(nowhere, lambda: owner.tails, lambda: owner.now - LOOK_S)
    assert await owner.look() == []
    assert owner.tails[0].suspect == 0
    owner.zombies = connects
    assert await owner.look() == [USERS[2]]


async def test_it_is_not_looked_all_the_time(owner: Owner) -> None:
    """Rounds are many."""
    await owner.zombies.look(owner, owner.held, lambda *_: None)
    assert owner.asked == 0


async def test_a_forgotten_user_that_was_written_again_is_deleted_again(owner: Owner) -> None:
    """A zombie had not heard of it."""
    owner.part.decisions.forgotten.add("bluesky:gone", 1)
    await write(owner.settings, changelog(partition("bluesky:gone"), generation=3))
    await owner.look()
    assert owner.deleted == [(0, {b"bluesky:gone"})]
