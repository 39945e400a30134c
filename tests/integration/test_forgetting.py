"""Forgetting and overrides from the API through worker and sink, with the oracle's word at the end."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import redis
from aiokafka.partitioner import murmur2

from pipeline.lookup import keys
from pipeline.settings import Settings
from pipeline.state.sources import SOURCES
from schemas.generate import EXAMPLES
from tests.integration.test_lookup_api import problem
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.support.keys import client_with, create_key
from tests.support.observed import wait_for_rest
from tests.support.topics import read_topic

pytestmark = pytest.mark.integration

SPIKE = msgspec.json.decode((EXAMPLES / "spike.json").read_bytes())
GONE = {"actor": "x:gone", "count": 1}


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client with an administrator's key of a whole pipeline."""
    for role in ("worker", "sink"):
        cluster.start(role, CLOUT_DETAILS_INTERVAL_S="0.2")
    serve = cluster.start("serve").wait_ready()
    with client_with(create_key(cluster.settings, "admin"), serve) as client:
        yield client


_numbers = iter(range(1, 1_000_000))


def publish(client: httpx.Client, *pairs: tuple[str, str]) -> None:
    """Publish a like for each actor and target."""
    now = time.time_ns() // 1_000_000
    fields: dict[str, Any] = {"kind": "like", "network": "x", "time": now}
    events = [{**fields, "id": f"x:{next(_numbers)}", "actor": actor, "target": target} for actor, target in pairs]
    assert client.post("/v1/events", json=events).json()["accepted"] == len(pairs)


def likes(client: httpx.Client, user: str) -> int:
    """Return the likes that a user's document counts; -1 where there is none."""
    answer = client.get(f"/v1/users/{user}")
    return int(answer.json()["engagement"]["1h"]["likes"]) if answer.status_code == 200 else -1


def actors(client: httpx.Client, user: str) -> list[str]:
    """Return the actors in a user's details."""
    answer = client.get(f"/v1/users/{user}/explain")
    return [actor["actor"] for actor in answer.json()["actors"]] if answer.status_code == 200 else []


def decided_after(record_id: str, settings: Settings) -> str:
    """Return a user to forget, of whom the control topic tells in the partition of another record."""

    def place(name: str) -> int:
        return (murmur2(name.encode()) & 0x7FFFFFFF) % settings.partitions

    users = (f"x:later{number}" for number in itertools.count())
    return next(user for user in users if place(f"forgotten:{user}") == place(record_id))


def forgotten(worker: Role, settings: Settings) -> float:
    """Return how many records have had the fate `forgotten`, once all that the log holds are folded."""
    (seen,) = wait_for_rest([worker], lambda: len(asyncio.run(read_topic(settings, *SOURCES))))
    return seen.total("clout_engagements_forgotten_total")


def test_a_forgotten_user_leaves_nothing_that_is_served(cluster: Cluster, admin: httpx.Client) -> None:
    """Score and details go, others' details name nobody, later events have their fate, a crash changes nothing."""
    publish(admin, *((f"x:a{n}", "x:gone") for n in range(3)), ("x:gone", "x:b"), ("x:a", "x:b"))
    eventually(lambda: likes(admin, "x:gone") == 3 and likes(admin, "x:b") == 2, 60, "both have scores")
    eventually(lambda: set(actors(admin, "x:b")) == {"x:gone", "x:a"}, 60, "details name the actors")
    with redis.Redis.from_url(cluster.settings.redis) as store:
        told = [msgspec.json.encode({**SPIKE, **changes}) for changes in ({"user": "x:gone"}, {"actors": [GONE]}, {})]
        for spike in told:
            store.xadd(keys.SPIKES, {"spike": spike})
        store.rpush(keys.alert_log("file"), *told)
    answer = admin.delete("/v1/users/x:gone")
    assert answer.status_code == 202
    remains = {each["topic"].removeprefix(cluster.settings.topic_prefix): each for each in answer.json()["remains"]}
    assert remains["likes"]["until"] > time.time() * 1000 + 91 * 86_400_000
    eventually(lambda: likes(admin, "x:gone") == -1, 60, "the score is gone")
    eventually(lambda: actors(admin, "x:b") == ["x:a"], 60, "others' details name the user no more")
    with redis.Redis.from_url(cluster.settings.redis) as store:
        eventually(lambda: not store.exists(keys.details("x:gone"), keys.influencers("x:gone")), 60, "all is gone")
        assert store.zscore(keys.RANK, "x:gone") is None
        entries = [fields for _, fields in store.xrange(keys.SPIKES)]  # type: ignore[union-attr]
        assert [fields[b"spike"] for fields in entries if b"spike" in fields] == told[2:]
        assert store.lrange(keys.alert_log("file"), 0, -1) == told[2:]
        eventually(lambda: not store.exists(keys.history("x:gone")), 60, "so is the history")
    worker = next(process for process in cluster.processes if process.name.startswith("worker"))
    assert isinstance(worker, Role)
    # The blank profile may be folded in the moment before the decision arrives.
    blank = forgotten(worker, cluster.settings)
    assert blank in {0, 1}
    publish(admin, ("x:a9", "x:gone"), ("x:gone", "x:b"))
    assert forgotten(worker, cluster.settings) == blank + 2
    assert likes(admin, "x:b") == 2
    worker.kill()
    cluster.start("worker", CLOUT_DETAILS_INTERVAL_S="0.2")
    publish(admin, ("x:a8", "x:gone"), ("x:a8", "x:b"))
    eventually(lambda: likes(admin, "x:b") == 3, 60, "the next worker goes on")
    assert likes(admin, "x:gone") == -1
    check = cluster.run("replay", "--check")
    assert check.child.wait(150) == 0, check.output()
    listed = eventually(lambda: admin.get("/v1/forgotten").json()["users"], 60, "the decision is listed")
    assert [each["user"] for each in listed] == ["x:gone"]
    assert admin.delete("/v1/forgotten/x:gone").status_code == 204
    eventually(lambda: admin.delete("/v1/forgotten/x:gone").status_code == 404, 60, "it is taken back")
    problem(admin.delete("/v1/forgotten/x:gone"), 404)
    since = itertools.count(1)

    def known_again() -> bool:
        # What the worker folds before it hears of it is lost for good.
        publish(admin, (f"x:b{(published := next(since))}", "x:gone"))
        return 1 <= likes(admin, "x:gone") <= published

    eventually(known_again, 60, "known again, with what came since")


def test_a_blocked_account_moves_no_score(cluster: Cluster, admin: httpx.Client) -> None:
    """From the decision on, until it is taken back; the oracle agrees."""
    later = decided_after("override:x:farm", cluster.settings)
    publish(admin, ("x:farm", "x:b"), ("x:c", later))
    eventually(lambda: likes(admin, "x:b") == likes(admin, later) == 1, 60, "it counts")
    problem(admin.put("/v1/overrides/x:farm", json={"action": "praise"}), 400, "action")
    assert admin.put("/v1/overrides/x:farm", json={"action": "block", "reason": "sold"}).status_code == 200
    listed = eventually(lambda: admin.get("/v1/overrides").json()["overrides"], 60, "the decision is listed")
    assert listed[0]["user"] == "x:farm"
    # The worker hears of it a moment later than the service: before what was decided after it.
    assert admin.delete(f"/v1/users/{later}").status_code == 202
    eventually(lambda: likes(admin, later) == -1, 60, "the worker knows")
    publish(admin, ("x:farm", "x:b"), ("x:farm", "x:b"), ("x:farm", "x:unknown"))
    publish(admin, ("x:a", "x:b"))
    eventually(lambda: likes(admin, "x:b") == 2, 60, "only the other's like counts")
    check = cluster.run("replay", "--check")
    assert check.child.wait(150) == 0, check.output()
    assert admin.delete("/v1/overrides/x:farm").status_code == 204
    eventually(lambda: admin.delete("/v1/overrides/x:farm").status_code == 404, 60, "it is taken back")
    problem(admin.delete("/v1/overrides/x:farm"), 404)
