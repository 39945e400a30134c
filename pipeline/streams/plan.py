"""What a round writes of one partition, and the order in which it is written."""

from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from faust.types import TP

from pipeline.partitioner import partitions_of
from pipeline.record_batch import Header
from pipeline.settings import Settings
from pipeline.state.documents import ENCODER
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.streams.batches import Acknowledged, BatchWriter
from pipeline.streams.lease import Lease
from schemas import AccountContribution

Written = tuple[bytes, bytes | None]
"""Key and value, which is None for a tombstone."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The topics that a worker writes, by their full names."""

    changelog: str
    scores: str
    details: str
    contributions: str
    spikes: str
    partitions: int

    @classmethod
    def of(cls, settings: Settings, changelog: str) -> "Outputs":
        """Return those of a deployment."""
        prefix = settings.topic_prefix
        return cls(
            changelog,
            prefix + "scores",
            prefix + "details",
            prefix + "contributions",
            prefix + "spikes",
            settings.partitions,
        )


@dataclass(slots=True)
class Plan:
    """What a round writes of one partition, taken at one moment between two folds; nothing in it changes later."""

    part: Partition
    rows: list[Written] = field(default_factory=list)
    scores: list[Written] = field(default_factory=list)
    details: list[Written] = field(default_factory=list)
    farewells: list[AccountContribution] = field(default_factory=list)
    """What forgotten accounts tell their persons: before their rows are deleted, which alone know whose they were."""
    contributions: list[AccountContribution] = field(default_factory=list)
    """They go to the partitions of the persons."""
    told: list[tuple[int, list[str]]] = field(default_factory=list)
    """Accounts, and the former persons who know when the round is done."""
    spikes: list[Written] = field(default_factory=list)
    positions: dict[TP, int] = field(default_factory=dict)
    headers: list[Header] = field(default_factory=list)


async def write(plan: Plan, outputs: Outputs, now: int, lease: Lease, producer: AIOKafkaProducer) -> list[Acknowledged]:
    """
    Write the rows of a partition and, when they are acknowledged, what follows from them.

    Args:
        plan: What is written.
        outputs: Where to.
        now: The records' timestamp, Unix ms.
        lease: Required before each of the two: the rows may have been acknowledged late.
        producer: Of the running loop.

    Returns:
        The batches of the changelog.

    Raises:
        ChangelogWriteError: The broker did not acknowledge.
        MembershipLostError: The partition is another worker's; it may have read what was written, or written before.
        BrokerUnavailableError: Nobody says whether it is.
    """
    await lease.require()
    number = plan.part.number
    writer = BatchWriter(producer)
    _add_contributions(writer, plan.farewells, plan, outputs, now)
    await writer.flush()
    writer.extend(outputs.changelog, number, *Packed.of_pairs(plan.rows), now)
    await writer.flush()
    rows = writer.acknowledged.get((outputs.changelog, number), [])
    await lease.require()
    writer = BatchWriter(producer)
    writer.extend(outputs.scores, number, *Packed.of_pairs(plan.scores), now, plan.headers)
    writer.extend(outputs.details, number, *Packed.of_pairs(plan.details), now)
    _add_contributions(writer, plan.contributions, plan, outputs, now)
    writer.extend(outputs.spikes, number, *Packed.of_pairs(plan.spikes), now)
    await writer.flush()
    return rows


def _add_contributions(
    writer: BatchWriter, contributions: list[AccountContribution], plan: Plan, outputs: Outputs, now: int
) -> None:
    persons = [each.user.encode() for each in contributions]
    ways = partitions_of(persons, outputs.partitions).tolist()
    for each, person, way in zip(contributions, persons, ways, strict=True):
        writer.add(outputs.contributions, way, person, ENCODER.encode(each), now, plan.headers)
