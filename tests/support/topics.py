"""What is in the topics."""

import msgspec
from aiokafka import TopicPartition

from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from schemas import Engagement


class Record(msgspec.Struct):
    """A record of a topic."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


async def read_topic(settings: Settings, *topics: str) -> list[Record]:
    """Return everything in a topic, or in several, partition after partition, in the order of the log."""
    parts = [
        TopicPartition(settings.topic_prefix + topic, partition)
        for topic in topics
        for partition in range(settings.partitions)
    ]
    out: list[Record] = []
    async with LogReader(settings) as reader:
        async for part, records in reader.read(await reader.begins(parts)):
            out += [Record(part.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in records]
    return sorted(out, key=lambda record: record.partition)


async def engagements(settings: Settings, *topics: str) -> list[Engagement]:
    """Return the engagements in a topic, or in several."""
    return [msgspec.json.decode(record.value, type=Engagement) for record in await read_topic(settings, *topics)]


async def all_engagements(settings: Settings) -> list[Engagement]:
    """Return the engagements of every kind."""
    return await engagements(settings, *ENGAGEMENT_TOPICS)


async def has_ids(settings: Settings, expected: set[tuple[str, bool]]) -> bool:
    """Tell whether each (id, undo) that is expected is in the log."""
    return expected <= {(event.id, event.undo) for event in await all_engagements(settings)}
