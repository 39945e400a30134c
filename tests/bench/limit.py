"""
The limit: aiokafka, values per Kafka record batch, msgspec decode, and nothing else.

Run as `python -m tests.bench.limit RECORDS`; prints one JSON line.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka import client_options
from pipeline.settings import Settings, get_settings
from schemas import Engagement, Post, Profile, Tick
from tests.bench.process import usage

TYPES: dict[str, Any] = {
    "likes": Engagement,
    "shares": Engagement,
    "comments": Engagement,
    "follows": Engagement,
    "posts": Post,
    "profiles": Profile,
    "ticks": Tick,
}


async def run(settings: Settings, records: int) -> dict[str, float]:
    """Read and decode `records` records."""
    decoders = {settings.topic_prefix + name: msgspec.json.Decoder(type_).decode for name, type_ in TYPES.items()}
    consumer = AIOKafkaConsumer(
        **client_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=settings.fetch_wait_ms
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for topic in decoders for number in range(settings.partitions)])
    fetcher = consumer._fetcher
    seen = 0
    started = 0.0
    before = usage()
    while seen < records:
        ready = list(fetcher._records.items())
        if not ready:
            waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=1)
            started = started or time.monotonic()
            continue
        for tp, held in ready:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            source, decode = held._partition_records, decoders[tp.topic]
            while source._records.has_next():
                batch = source._records.next_batch()
                assert batch.validate_crc()
                source.next_fetch_offset = batch.next_offset
                seen += len([decode(record.value) for record in batch])
            held._update_position()
        await asyncio.sleep(0)
    seconds = time.monotonic() - started
    cpu = usage() - before
    await consumer.stop()
    return {"seconds": seconds, "events": seen, "cpu": cpu}


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(run(get_settings(), int(sys.argv[1])))).decode())
