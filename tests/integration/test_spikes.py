"""Spikes from end to end: a burst in, a record in Redis out, each once, also when the worker dies in the middle."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
import redis

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.lookup import keys
from pipeline.settings import Settings
from schemas import Engagement, Spike
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.observed import wait_for_rest
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration

TARGET = "github:target"
HOUR_MS = 3_600_000


def publish(settings: Settings, events: Sequence[Engagement]) -> None:
    """Publish engagements, and wait until the broker has them."""

    async def send() -> None:
        publisher, routes = Publisher(settings), Routes(settings)
        await publisher.start()
        await publisher.publish(routes.route(list(events)))
        await publisher.flush()
        await publisher.stop()

    asyncio.run(send())


def likes(first: int, times: Sequence[int], target: str = TARGET) -> list[Engagement]:
    """Return likes of one post by distinct actors at these times, Unix ms."""
    return [
        Engagement(f"github:like{first + i}", "like", "github", f"github:fan{first + i}", target, at, object="the post")
        for i, at in enumerate(times)
    ]


def stored(url: str) -> list[Spike]:
    """Return what subscribers of spikes get, the oldest first."""
    with redis.Redis.from_url(url) as store:
        entries = store.xrange(keys.SPIKES)
    records = [fields[b"spike"] for _, fields in entries if b"spike" in fields]  # type: ignore[union-attr]
    return [msgspec.json.decode(record, type=Spike) for record in records]


def logged(settings: Settings) -> list[Spike]:
    """Return the spikes in the topic."""
    return [msgspec.json.decode(record.value, type=Spike) for record in asyncio.run(read_topic(settings, "spikes"))]


def names(spikes: Sequence[Spike]) -> set[tuple[str, str, int]]:
    """Return what tells records of spikes apart."""
    return {(spike.id, spike.status, spike.level) for spike in spikes}


def test_a_burst_is_told_once_though_the_worker_dies(cluster: Cluster) -> None:
    """An hourly like, then forty in 20 s, a SIGKILL, and 200 more: one spike that grows, and the oracle's."""
    worker = cluster.start("worker").wait_ready()
    cluster.start("sink").wait_ready()
    now = int(time.time() * 1000)
    publish(cluster.settings, likes(0, [now - hours * HOUR_MS for hours in range(72, 0, -1)]))
    wait_for_rest([worker], 72)
    # The oracle, which has the whole log at once, sees it begin with the 200: within a minute is one spike.
    publish(cluster.settings, likes(100, [now - 20_000 + i * 500 for i in range(40)]))
    url = cluster.settings.redis
    eventually(lambda: bool(stored(url)), 60, "a spike is in Redis")
    worker.kill()
    again = cluster.start("worker", name="again").wait_ready()
    publish(cluster.settings, likes(200, [now + i * 100 for i in range(200)]))
    wait_for_rest([again], lambda: 312)
    eventually(lambda: stored(url)[-1].level >= 3, 60, "the spike has grown")
    eventually(lambda: names(stored(url)) == names(logged(cluster.settings)), 60, "Redis has what the log has")

    told = stored(url)
    assert [spike.status for spike in told] == ["open", *["grown"] * (len(told) - 1)]
    assert len({spike.id for spike in told}) == 1
    assert max(Counter((spike.status, spike.level) for spike in told).values()) == 1
    newest = told[-1]
    assert (newest.user, newest.direction, newest.authenticity) == (TARGET, "rise", "organic")
    assert newest.kinds["like"] > 40, "those after the kill, too; a slow machine folds them in parts"
    assert newest.posts[0].object == "the post"
    assert abs(newest.began - (now - 20_000)) < 15_000
    check = cluster.run("replay", "--check")
    assert check.child.wait(150) == 0, check.output()
    assert "spikes told 1: 1 in the log, too, 0 that were not told" in check.output()
