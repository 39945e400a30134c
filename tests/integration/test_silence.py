"""Silence from end to end: nobody engages, ticks say that time passes, and what Redis holds of everyone sinks."""

import asyncio
import time
from functools import partial
from typing import Final

import pytest

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.replay import run as fold_the_log
from pipeline.settings import Settings
from schemas import Engagement, ScoreDocument, Tick
from tests.integration.test_pipeline_higgs import document, stop_all, wait_for_redis
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.load import publish
from tests.support.observed import wait_for_rest

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

DAY_MS: Final = 86_400_000
USERS: Final = [f"n:silent{number}" for number in range(12)]


def engagements(at: int) -> list[Engagement]:
    """Return some for each user, of actors of its own, and more for those who come later."""
    return [
        Engagement(f"n:{user}:{number}", "like", "n", f"n:fan{place}-{number}", user, at + 1_000 * number)
        for place, user in enumerate(USERS)
        for number in range(10 + 3 * place)
    ]


def tick(settings: Settings, at: int) -> int:
    """Say to all partitions that it is this late (Unix ms); return in how many records."""

    async def send() -> int:
        publisher = Publisher(settings)
        await publisher.start()
        chunks = Routes(settings).tick(Tick(source="n", time=at))
        await publisher.publish(chunks)
        await publisher.flush()
        await publisher.stop()
        return len(chunks)

    return asyncio.run(send())


def documents(cluster: Cluster) -> dict[str, ScoreDocument]:
    """Return what Redis holds of each user."""
    return {user: document(cluster, user) for user in USERS}


def all_sank(cluster: Cluster, before: dict[str, ScoreDocument]) -> bool:
    """Tell whether each score is lower than it was."""
    return all(found.score < before[user].score for user, found in documents(cluster).items())


def test_scores_in_redis_sink_as_ticks_move_time_on(cluster: Cluster) -> None:
    """A day later, four and ten: each time all scores are lower than before, and they are what the log says."""
    # A small move of a score is held back for a second instead of thirty.
    worker, sink = cluster.start("worker", CLOUT_EMIT_SETTLE_S="1"), cluster.start("sink")
    worker.wait_ready()
    sink.wait_ready()
    began = time.time_ns() // 1_000_000 - 20 * DAY_MS
    events = engagements(began)
    records = len(events)
    asyncio.run(publish(cluster.settings, events))
    wait_for_rest([worker], records)
    wait_for_redis(cluster, sink, worker)
    before = documents(cluster)
    for days in (1, 4, 10):
        records += tick(cluster.settings, began + days * DAY_MS)
        # The sweep that looks at silent users goes on for some rounds.
        eventually(partial(all_sank, cluster, before), 90, f"all scores are lower after {days} days")
        wait_for_rest([worker], records)
        wait_for_redis(cluster, sink, worker)
        before = documents(cluster)
        assert all(found.as_of >= began + days * DAY_MS for found in before.values())
        report = asyncio.run(fold_the_log(cluster.settings, check=True))
        assert report.clean, report
        assert report.compared == len(USERS)
        assert (report.records, report.fates["applied"]) == (records, records)
    stop_all(worker, sink)
