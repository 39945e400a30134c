"""The role `clout sink`: its lanes, and its probes."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Final

from pipeline.logs import get_logger
from pipeline.lookup import keys
from pipeline.lookup.connection import connect, redacted
from pipeline.lookup.history.lane import HistoryLane
from pipeline.lookup.history.outbox import Outbox
from pipeline.lookup.history.relay import Relay
from pipeline.lookup.history.source import HistorySource
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.lane import Lane
from pipeline.lookup.sink.outlet import Outlet
from pipeline.lookup.sink.scores import SCORES
from pipeline.lookup.sink.source import Source
from pipeline.lookup.sink.spikes import SPIKES
from pipeline.lookup.sink.writer import Writer
from pipeline.probe import serve_probes
from pipeline.settings import Settings

log = get_logger(__name__)

LIVE: Final[tuple[Outlet, ...]] = (SCORES, SPIKES)
"""What subscribers wait for."""
LIVE_STREAMS: Final = (keys.CHANGES, keys.SPIKES)
"""Where they wait."""
BACKGROUND: Final[tuple[Outlet, ...]] = (DETAILS,)
"""What is only looked up: it gives way, and has a consumer of its own, so that it is never in a fetch's way."""
_BACKGROUND_WAIT_MS: Final = 500
_TIMEOUT_S: Final = 2.0


async def run(settings: Settings) -> None:
    """
    Run the sink with its probes until cancelled.

    Raises:
        PipelineError: A port is taken, or topics do not fit the settings.
    """
    redis = connect(settings.redis, _TIMEOUT_S)
    relay = Relay()
    scores = Source(settings, LIVE, settings.fetch_wait_ms)
    details = Source(settings, BACKGROUND, _BACKGROUND_WAIT_MS)
    history = HistorySource(settings, _BACKGROUND_WAIT_MS, scores, relay)
    live = Lane(scores, Writer(redis, keys.LIVE_LANE, LIVE_STREAMS), heard=relay.hand)
    outbox = Outbox(settings, redis)
    lanes = (
        live,
        Lane(details, Writer(redis, "background"), behind=live),
        HistoryLane(history, Writer(redis, "history"), outbox, behind=live),
    )
    # Documents make many short-lived tuples and no cycles: looking for some took a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    log.info("sink starts", broker=settings.broker, redis=redacted(settings.redis))
    try:
        async with serve_probes(settings.host, settings.sink_port, lambda: all(lane.is_ready for lane in lanes)):
            await _all(*(lane.run() for lane in lanes))
    finally:
        for source in (scores, details, history):
            await source.stop()
        await outbox.stop()
        await redis.aclose()


async def _all(*endless: Coroutine[None, None, None]) -> None:
    """Run all until cancelled, or until one fails: then cancel the others and raise its error."""
    tasks = [asyncio.ensure_future(one) for one in endless]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
