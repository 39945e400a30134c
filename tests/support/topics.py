"""What is in the topics."""

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ENGAGEMENT_TOPICS
from schemas import Engagement


class Record(msgspec.Struct):
    """A record of a topic."""

    partition: int
    timestamp: int
    key: bytes | None
    value: bytes


async def read_topic(settings: Settings, *topics: str) -> list[Record]:
    """Return everything in a topic, or in several, partition after partition."""
    consumer = AIOKafkaConsumer(**client_options(settings))
    await consumer.start()
    try:
        parts = [
            TopicPartition(settings.topic_prefix + topic, partition)
            for topic in topics
            for partition in range(settings.partitions)
        ]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        out: list[Record] = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, messages in (await consumer.getmany(timeout_ms=500)).items():
                out += [Record(part.partition, m.timestamp, m.key, m.value) for m in messages]
        return sorted(out, key=lambda record: record.partition)
    finally:
        await consumer.stop()


async def engagements(settings: Settings, *topics: str) -> list[Engagement]:
    """Return the engagements in a topic, or in several."""
    return [msgspec.json.decode(record.value, type=Engagement) for record in await read_topic(settings, *topics)]


async def all_engagements(settings: Settings) -> list[Engagement]:
    """Return the engagements of every kind."""
    return await engagements(settings, *ENGAGEMENT_TOPICS)


async def has_ids(settings: Settings, expected: set[tuple[str, bool]]) -> bool:
    """Tell whether each (id, undo) that is expected is in the log."""
    return expected <= {(event.id, event.undo) for event in await all_engagements(settings)}
