"""An owner that looks after its changelog: what another worker wrote there is found, and written again."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from pipeline.changelog import changelog_of
from pipeline.kafka import client_options
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.streams.batches import BatchWriter
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
        self.zombies = Zombies(settings, self.tails, lambda: self.now)
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
        return [user for user in USERS if self.part.dirty[self.part.index[user.encode()]]]

    async def write(self, records: Sequence[Record]) -> None:
        """Write as the owner does."""
        await write(self.settings, records)
        self.zombies.wrote(0, len(records))


async def write(settings: Settings, records: Sequence[Record]) -> None:
    """Write to the changelog of partition 0, whoever that is."""
    to = changelog_of(settings, 0)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        writer = BatchWriter(producer)
        writer.extend(to.topic, to.partition, *Packed.of_pairs(list(records)), 1_700_000_000_000)
        await writer.flush()


@pytest.fixture
def owner(settings: Settings) -> Owner:
    """Own partition 0, of which nothing has been written."""
    asyncio.run(ensure_topics(settings))
    return Owner(settings)


async def test_what_only_the_owner_wrote_is_not_read(owner: Owner) -> None:
    """The end is where it must be."""
    await owner.write(changelog(owner.part, generation=4))
    assert await owner.look() == []
    assert (owner.tails[0].seen, owner.tails[0].end) == (4, 4)
    assert owner.asked == 1


async def test_a_zombies_rows_are_written_again_and_their_documents_emitted(owner: Owner) -> None:
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
    owner.part.positions[1] += 10
    owner.zombies.owe(owner.part, owner.emission)
    assert owner.part.owed.nonzero()[0].tolist() == [owner.part.index[USERS[0].encode()]]
    assert [due.rows.tolist() for due in owner.emission.due(owner.part, 1)] == [[owner.part.index[USERS[0].encode()]]]
    owner.zombies.owe(owner.part, owner.emission)
    assert not owner.part.owed.any(), "once"
    owner.part.dirty[:] = False
    assert await owner.look() == [], "each zombie's record is found once"


async def test_records_that_came_twice_are_the_owners_still(owner: Owner) -> None:
    """A producer that repeats a request writes more than it knows of."""
    await owner.write(changelog(owner.part, generation=4))
    await write(owner.settings, changelog(owner.part, generation=4))
    assert await owner.look() == []
    assert not owner.zombies.owe(owner.part, owner.emission)
    assert owner.tails[0].end == 8


async def test_a_broker_that_does_not_answer_is_asked_again(owner: Owner) -> None:
    """Nothing is taken as seen meanwhile."""
    await write(owner.settings, changelog(partition(USERS[2]), generation=3))
    owner.answers = False
    assert await owner.look() == []
    owner.answers = True
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
