"""A consumer of a real broker that is stopped while its assignment changes."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

pytestmark = pytest.mark.integration

STOP_S = 20.0


@pytest.mark.parametrize("turns", range(6))
async def test_a_consumer_stops_however_soon_after_a_new_assignment(settings: Settings, turns: int) -> None:
    """Its requests for the old one are being cancelled then, for some turns of the loop."""
    await ensure_topics(settings)
    first, second = (TopicPartition(settings.topic_prefix + "likes", number) for number in (0, 1))
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=500)
    await consumer.start()
    consumer.assign([first])
    await consumer.seek_to_beginning()
    # A fetch is under way: nothing comes, and the broker holds it.
    await consumer.getmany(timeout_ms=200)
    consumer.assign([second])
    for _ in range(turns):
        await asyncio.sleep(0)
    # Not by a timeout: a consumer that does not stop takes the cancellation for that of its requests, too.
    stopping = asyncio.ensure_future(consumer.stop())
    stopped, _ = await asyncio.wait([stopping], timeout=STOP_S)
    assert stopped
