"""Look-ups while Redis or Kafka fail: told within a second, served again within five; stale rather than not at all."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from tests.integration.test_lookup_api import problem, store
from tests.integration.test_lookup_hot import publish
from tests.support.cluster import Broker, Cluster, Valkey
from tests.support.eventually import eventually
from tests.support.nemesis import Nemesis
from tests.unit.lookup.documents import score_bytes

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

TOLD_S: Final = 1.2
"""A second, and what the client takes."""
SERVED_S: Final = 5.0
PATH: Final = "/v1/users/x%3Aa"


@contextmanager
def lookers(url: str, statuses: list[tuple[int, float]]) -> Iterator[None]:
    """Keep eight clients asking, and note each status with the time that it took."""
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not over.is_set():
                began = time.monotonic()
                status = client.get(PATH).status_code
                statuses.append((status, time.monotonic() - began))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_redis_away_is_told_within_a_second_and_forgotten_within_five(
    own_cluster: Cluster, own_valkey: Valkey, nemesis: Nemesis
) -> None:
    """Frozen or killed, six times, under eight clients: 200 or 503, nothing else, and nobody waits."""
    serve = own_cluster.start("serve").wait_ready()
    statuses: list[tuple[int, float]] = []
    back: list[float] = []
    store(own_valkey.url, [score_bytes("x:a")])
    with httpx.Client(base_url=serve.url, timeout=30) as client, lookers(serve.url, statuses):
        for _ in range(6):
            if nemesis.chance(0.5):
                nemesis.note("freeze")
                own_valkey.freeze()
                eventually(lambda: client.get(PATH).status_code == 503, 10, "it is told")
                nemesis.moment(0.0, 3.0)
                own_valkey.thaw()
            else:
                nemesis.note("kill")
                own_valkey.kill()
                eventually(lambda: client.get(PATH).status_code == 503, 10, "it is told")
                nemesis.moment(0.0, 3.0)
                own_valkey.start()
                store(own_valkey.url, [score_bytes("x:a")])
            began = time.monotonic()
            eventually(lambda: client.get(PATH).status_code == 200, 60, "it is served again")
            back.append(time.monotonic() - began)
            nemesis.moment(0.0, 1.0)
    told = sorted(took for status, took in statuses if status == 503)
    assert {status for status, _ in statuses} <= {200, 404, 503}  # 404 while it is empty
    assert told
    assert told[len(told) * 99 // 100] < TOLD_S, f"a 503 took {told[-1]:.2f} s"
    assert max(back) < SERVED_S, back
    print(f"503 after {told[-1]:.2f} s at most, served again after {max(back):.2f} s at most; {len(statuses)} look-ups")
    assert "Traceback" not in serve.output()


def test_reads_go_on_while_kafka_is_away(own_cluster: Cluster, own_broker: Broker) -> None:
    """Not one look-up of a thousand fails, and from 5 s on each says how old it may be."""
    publish(own_cluster.settings, {"x:a": score_bytes("x:a", 43.21)})
    own_cluster.start("sink").wait_ready()
    serve = own_cluster.start("serve").wait_ready()
    statuses: list[tuple[int, float]] = []
    with httpx.Client(base_url=serve.url, timeout=30) as client:
        eventually(lambda: client.get(PATH).status_code == 200, 60, "it is there")
        with lookers(serve.url, statuses):
            own_broker.freeze()
            eventually(lambda: "clout-stale-seconds" in client.get(PATH).headers, 60, "it says that it may be stale")
            own_broker.thaw()
            eventually(lambda: "clout-stale-seconds" not in client.get(PATH).headers, 60, "it is fresh again")
            own_broker.kill()
            eventually(lambda: "clout-stale-seconds" in client.get(PATH).headers, 60, "it says so again")
            problem(client.get("/v1/users/x%3Anobody"), 404, "user")
        assert {status for status, _ in statuses} == {200}
        assert len(statuses) > 1_000
