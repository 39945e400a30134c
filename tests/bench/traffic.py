"""The events that every contender folds: published once, read by all."""

import asyncio
import time
from collections import Counter

from agents.publisher import Publisher
from agents.routes import Routes
from agents.synthetic import SyntheticConfig, generate
from pipeline.clock import system_clock
from pipeline.settings import Settings
from pipeline.topics import ensure_topics

USERS = 100_000
DAYS = 7.0
SEED = 20_260_701


def publish(settings: Settings, events: int) -> Counter[str]:
    """Publish synthetic events spread over a week and return how many each topic got."""
    return asyncio.run(_publish(settings, events))


async def _publish(settings: Settings, events: int) -> Counter[str]:
    await ensure_topics(settings)
    counts: Counter[str] = Counter()
    routes = Routes(settings)
    publisher = Publisher(settings)
    await publisher.start()
    config = SyntheticConfig(users=USERS, events=events, seed=SEED, spread_days=DAYS, start_ms=system_clock() - 60_000)
    started = time.monotonic()
    for records in generate(config):
        chunks = routes.route(records)
        for chunk in chunks:
            counts[chunk.topic] += len(chunk.values)
        await publisher.publish(chunks)
    await publisher.flush()
    await publisher.stop()
    seconds = time.monotonic() - started
    print(f"published {events:,} events in {seconds:.1f} s: {dict(counts)}", flush=True)
    return counts
