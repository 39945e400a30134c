"""Reads the whole control topic once, for commands."""

import contextlib

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.control.table import ControlTable
from pipeline.errors import BrokerUnavailableError
from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ensure_topics


async def read_control(settings: Settings) -> ControlTable:
    """
    Return all control records as they stand now.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    await ensure_topics(settings)
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    partitions = [TopicPartition(settings.topic_prefix + "control", part) for part in range(settings.partitions)]
    table = ControlTable()
    try:
        await consumer.start()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                fetched = await consumer.getmany(partition, timeout_ms=500)
                for record in fetched.get(partition, ()):
                    table.apply(record.key.decode(), record.value)
    except OSError as exc:
        raise BrokerUnavailableError(
            f"no Kafka broker answers at {settings.broker}: start one, or set CLOUT_BROKER"
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            await consumer.stop()
    table.is_complete = True
    return table
