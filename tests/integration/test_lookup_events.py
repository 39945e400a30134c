"""Events by HTTP: through the service, the broker and the worker to a score."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from pipeline.settings import Settings
from tests.integration.test_lookup_api import problem
from tests.support.cluster import Broker, Cluster, Role
from tests.support.eventually import eventually
from tests.support.keys import bearer, client_with, create_key
from tests.support.topics import all_engagements

pytestmark = pytest.mark.integration


def event(number: int, **changes: Any) -> dict[str, Any]:
    """Return a like that happened just now."""
    now = time.time_ns() // 1_000_000
    fields = {"id": f"x:{number}", "kind": "like", "network": "x", "actor": f"x:a{number}", "target": "x:b"}
    return {**fields, "time": now, **changes}


@pytest.fixture
def serve(cluster: Cluster) -> Role:
    """A running lookup service."""
    return cluster.start("serve").wait_ready()


@pytest.fixture
def client(serve: Role, settings: Settings) -> Iterator[httpx.Client]:
    """A client of it with a key that may publish for the network x."""
    key = create_key(settings, "ingest", networks=["x"])
    with client_with(key, serve) as client:
        yield client


def test_events_become_a_score(cluster: Cluster, client: httpx.Client) -> None:
    """In every form; sent twice they count once; stamps are ours."""
    cluster.start("worker")
    cluster.start("sink")
    forged = event(0, actor_score=100.0, mutual=True)
    first = client.post("/v1/events", json=forged)
    assert (first.status_code, first.json()) == (202, {"accepted": 1, "rejected": []})
    assert client.post("/v1/events", json=[event(1), event(2)]).json()["accepted"] == 2
    lines = "\n".join(httpx.Request("POST", "http://x", json=event(number)).content.decode() for number in (2, 3))
    answer = client.post("/v1/events", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 2
    envelope = {"ce-specversion": "1.0", "ce-id": "4", "ce-source": "https://a.example", "ce-type": "example.share"}
    shared = {name: value for name, value in event(4).items() if name not in ("id", "kind")}
    assert client.post("/v1/events", json=shared, headers=envelope).status_code == 202
    mixed = client.post("/v1/events", json=[event(5), event(6, kind="poke"), event(7, network="y")])
    assert mixed.status_code == 202
    assert [(flaw["index"], flaw["field"]) for flaw in mixed.json()["rejected"]] == [(1, "kind"), (2, "network")]

    def counted() -> dict[str, int] | None:
        answer = client.get("/v1/users/x:b")
        return answer.json()["engagement"]["1h"] if answer.status_code == 200 else None

    expected = {"likes": 5, "shares": 1, "comments": 0, "follows": 0}
    eventually(lambda: counted() == expected, 60, "every event counts once")
    assert client.post("/v1/events", json=event(1, undo=True)).status_code == 202
    eventually(lambda: counted() == {**expected, "likes": 4}, 60, "an undo withdraws its event")


def test_an_undo_repeats_the_stamps_whichever_process_gets_it(cluster: Cluster, settings: Settings) -> None:
    """Also after a restart, and when it is sent again: what the fold counted is what it takes back."""
    key = create_key(settings, "ingest")
    numbers = itertools.count(1)

    def repeats() -> bool:
        number = next(numbers)
        first = cluster.start("serve").wait_ready()
        with client_with(key, first) as client:
            assert client.post("/v1/events", json=[event(number, tags=["art"]), event(-number)]).status_code == 202
        assert first.stop() == 0
        second = cluster.start("serve").wait_ready()
        with client_with(key, second) as client:
            later = time.time_ns() // 1_000_000 + 1_000
            for _ in range(2):
                assert client.post("/v1/events", json=event(number, undo=True, time=later)).status_code == 202
        if "go out without" in first.output() + second.output():
            return False  # Redis was slow, and they say so
        events = asyncio.run(all_engagements(settings))
        (done, undone, again) = [each for each in events if each.id == f"x:{number}"]
        assert done.actor_since is not None
        assert done.actor_nth is not None
        assert undone == again == msgspec.structs.replace(done, undo=True)
        return True

    eventually(repeats, 60, "it repeats the stamps")


def test_bad_events_are_problems_that_name_the_field(client: httpx.Client, settings: Settings, serve: Role) -> None:
    """And who may not publish is told so."""
    problem(client.post("/v1/events", json=event(1, time="today")), 400, "0.time")
    problem(client.post("/v1/events", json={}), 400, "0.id")
    problem(client.post("/v1/events", content=b"{"), 400, "body")
    problem(client.post("/v1/events", content=b"[]"), 400, "body")
    problem(client.post("/v1/events", content=b"<a/>", headers={"Content-Type": "text/xml"}), 415)
    problem(client.post("/v1/events", content=b"x" * 1_100_000), 413)
    reader = create_key(settings, "read")
    with httpx.Client(base_url=serve.url, timeout=60) as anyone:
        problem(anyone.post("/v1/events", json=event(1)), 401)
        eventually(
            lambda: anyone.post("/v1/events", json=event(1), headers=bearer(reader)).status_code == 403,
            60,
            "the key may only read",
        )


def test_a_key_has_a_limit_of_events(cluster: Cluster, settings: Settings) -> None:
    """All of a request, or none of it."""
    serve = cluster.start("serve", CLOUT_KEY_EVENTS_PER_S="10").wait_ready()
    with client_with(create_key(settings, "ingest"), serve) as client:
        problem(client.post("/v1/events", json=[event(number) for number in range(21)]), 400, "body")
        assert client.post("/v1/events", json=[event(number) for number in range(20)]).json()["accepted"] == 20

        def refused() -> httpx.Response | None:
            # Not each, where two seconds have passed on a busy machine, or Redis has not answered at once.
            answer = client.post("/v1/events", json=[event(number) for number in range(20)])
            return answer if answer.status_code == 429 else None

        answer = eventually(refused, 60, "one is over the limit")
        assert answer is not None
        problem(answer, 429)
        assert int(answer.headers["retry-after"]) in (1, 2)


def test_a_silent_broker_is_a_503_and_the_event_may_be_sent_again(own_cluster: Cluster, own_broker: Broker) -> None:
    """Nothing is said to be in the log that is not."""
    key = create_key(own_cluster.settings, "ingest")
    serve = own_cluster.start("serve").wait_ready()
    with httpx.Client(base_url=serve.url, headers=bearer(key), timeout=60) as client:
        eventually(lambda: client.post("/v1/events", json=event(1)).status_code == 202, 60, "it publishes")
        own_broker.freeze()
        problem(client.post("/v1/events", json=event(2)), 503)
        assert client.get("/v1/leaderboard").status_code == 200, "reads go on"
        own_broker.thaw()
        eventually(lambda: client.post("/v1/events", json=event(2)).status_code == 202, 60, "it publishes again")
    assert serve.stop() == 0
