"""
Live synthetic traffic at a rate, with a note of when each record was handed to the publisher.

Run as `python -m tests.bench.live RATE SECONDS OUTPUT`. Nothing else may write to the topics: the records of a
partition then have the offsets in the order of the notes.
"""

import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from agents.publisher import Publisher
from agents.routes import Routes
from agents.synthetic import Synthetic, SyntheticConfig, SyntheticRecord
from pipeline.clock import system_clock
from pipeline.settings import Settings, get_settings
from tests.bench.traffic import SEED, USERS


class Lane(msgspec.Struct):
    """The records of one partition in their order: whom each concerns, and when it was handed over (Unix s)."""

    keys: list[bytes]
    handed: list[float]


class Published(msgspec.Struct):
    """What one run published."""

    began: float
    """Unix s."""
    ended: float
    records: int
    lanes: dict[str, dict[int, Lane]]
    """By topic without prefix and by partition."""


async def publish(settings: Settings, rate: float, seconds: float) -> Published:
    """Publish at a rate until so many seconds have passed and the broker has everything."""
    lanes: dict[str, dict[int, Lane]] = defaultdict(lambda: defaultdict(lambda: Lane([], [])))
    config = SyntheticConfig(
        users=USERS, rate=rate, events=int(rate * seconds), seed=SEED, start_ms=system_clock() - 60_000
    )
    routes, publisher = Routes(settings), Publisher(settings)
    await publisher.start()
    began = time.time()
    async for batch in Synthetic(config).batches():
        chunks = routes.route(cast("list[SyntheticRecord]", batch.items))
        handed = time.time()
        await publisher.publish(chunks)
        for chunk in chunks:
            lane = lanes[chunk.topic][chunk.partition]
            lane.keys += [key or b"" for key in chunk.keys]
            lane.handed += [handed] * len(chunk.values)
    await publisher.flush()
    ended = time.time()
    await publisher.stop()
    return Published(began, ended, publisher.counts.total(), lanes)


def main() -> None:
    """Publish and write the notes."""
    rate, seconds, output = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        published = runner.run(publish(get_settings(), float(rate), float(seconds)))
    Path(output).write_bytes(msgspec.msgpack.encode(published))


if __name__ == "__main__":
    main()
