"""
Live synthetic traffic at a rate, with a note of when each record was handed to the publisher.

Run as `python -m tests.bench.live RATE SECONDS OUTPUT`. Nothing else may write to the topics: the records of a
partition then have the offsets in the order of the notes.
"""

import asyncio
import gc
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from agents.publisher import Publisher
from agents.routes import Chunk, Routes
from agents.traffic import Traffic
from pipeline.clock import system_clock
from pipeline.settings import Settings, get_settings
from tests.bench.traffic import SEED, USERS

TICK_S: Final = 0.01
"""Events are handed over in steps of this time."""

BEGINS: Final = "publishing begins"
"""Printed at that moment."""

AHEAD_S: Final = 8.0
"""Making up 20 s of events takes less."""


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


def made_up(routes: Routes, rate: float, seconds: float, start_ms: int) -> list[list[Chunk]]:
    """Return the records of each tick of `TICK_S`, encoded, with the times at which they are to be published."""
    traffic = Traffic(USERS, SEED, start_ms - 60_000)
    ticks = []
    for tick in range(round(seconds / TICK_S)):
        then = start_ms + round(tick * TICK_S * 1000)
        records = traffic.batch(round(rate * TICK_S), then, then + round(TICK_S * 1000))
        ticks.append(routes.route(records))
    return ticks


async def publish(settings: Settings, rate: float, seconds: float) -> Published:
    """Publish at a rate until so many seconds have passed and the broker has everything."""
    lanes: dict[str, dict[int, Lane]] = defaultdict(lambda: defaultdict(lambda: Lane([], [])))
    # Made up before the clock runs: what loads the machine beside the pipeline says nothing of it.
    start_ms = system_clock() + round(AHEAD_S * 1000)
    ticks = made_up(Routes(settings), rate, seconds, start_ms)
    publisher = Publisher(settings)
    await publisher.start()
    gc.freeze()
    await asyncio.sleep(max(0.0, (start_ms - system_clock()) / 1000))
    began, started = time.time(), time.monotonic()
    print(BEGINS, flush=True)
    for number, chunks in enumerate(ticks, 1):
        await asyncio.sleep(max(0.0, started + number * TICK_S - time.monotonic()))
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
