"""The alerter as a process: webhooks and alerts from real topics to real receivers."""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from pipeline.kafka import client_options
from pipeline.lookup import keys
from pipeline.lookup.alerts.run import run
from pipeline.lookup.connection import connect
from pipeline.lookup.delivery.signing import new_secret, signature_headers
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from schemas import Acknowledgement, AlertRule, Spike, WebhookChannel
from schemas.generate import EXAMPLES
from tests.integration.test_lookup_api import problem
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually, eventually_async
from tests.support.keys import client_with, create_key, make_key
from tests.support.mailbox import mailbox
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiver
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration

SPIKE = msgspec.json.decode((EXAMPLES / "spike.json").read_bytes(), type=Spike)
HERE = {"CLOUT_DELIVERY_NETWORKS": "127.0.0.0/8"}


def publish(settings: Settings, topic: str, *records: tuple[str, bytes]) -> None:
    """Write records by their keys."""
    asyncio.run(write_all(settings, topic, records))


async def write_all(settings: Settings, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
    """Write records by their keys to the first partition, in their order."""
    await ensure_topics(settings)
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        sent = [
            await producer.send(settings.topic_prefix + topic, value, key=key.encode(), partition=0)
            for key, value in records
        ]
        await asyncio.gather(*sent)


def spike(settings: Settings, number: int = 1, **changes: Any) -> str:
    """Publish a spike that was found just now and return its id."""
    fields = {"id": f"x:a/{number}", "user": "x:a", "network": "x", "time": time.time_ns() // 1_000_000, **changes}
    publish(settings, "spikes", (str(fields["user"]), msgspec.json.encode(msgspec.structs.replace(SPIKE, **fields))))
    return str(fields["id"])


def score(user: str, value: float, previous: float | None, version: int) -> bytes:
    """Return a score document that was computed just now."""
    document = msgspec.json.decode(score_bytes(user, value, version))
    return msgspec.json.encode({**document, "previous": previous, "time": time.time_ns() // 1_000_000})


@pytest.fixture
def there() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with receiver() as running:
        yield running


@contextmanager
def served(cluster: Cluster, **changes: str) -> Iterator[httpx.Client]:
    """Start the API, and return a client with an administrator's key."""
    serve = cluster.start("serve", **HERE, **changes)
    key = create_key(cluster.settings, "admin")
    with client_with(key, serve.wait_ready()) as client:
        yield client


@pytest.fixture
def client(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client with an administrator's key."""
    with served(cluster) as client:
        yield client


def alerter(cluster: Cluster, **changes: str) -> Role:
    """Start an alerter that may deliver to this machine."""
    return cluster.start("alerter", **HERE, **changes).wait_ready()


def subscribe(client: httpx.Client, url: str, **fields: Any) -> tuple[str, str]:
    """Return the path of a new subscription and its secret."""
    answer = client.post("/v1/subscriptions", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    path = "/v1/subscriptions/" + answer.json()["subscription"]["id"].partition(":")[2]
    eventually(lambda: client.get(f"{path}/deliveries").status_code == 200, 60, "the service has it")
    return path, answer.json()["secret"]


def attempts(client: httpx.Client, path: str) -> list[tuple[str, int]]:
    """Return the status and the number of attempts of each delivery, the newest first."""
    answer = client.get(f"{path}/deliveries")
    return [(each["status"], len(each["attempts"])) for each in answer.json()["deliveries"]]


def test_subscribers_are_told_of_crossings_and_spikes(cluster: Cluster, client: httpx.Client, there: Receiver) -> None:
    """Signed; each crossing once; the log says what came of it; the test button works; bad addresses are refused."""
    refuses_addresses_that_are_not_public(client)
    path, secret = subscribe(client, f"{there.url}/a", events=["threshold", "spike"], users=["x:a"], threshold=50)
    assert client.get("/v1/subscriptions").json()["subscriptions"][0]["secret"] == ""
    alerter(cluster)
    assert client.post(f"{path}/test").status_code == 202
    eventually(lambda: there.requests, 60, "the test message came")
    first = there.requests[0]
    assert first.json()["type"] == "test"
    signed = signature_headers(secret, first.headers["webhook-id"], int(first.headers["webhook-timestamp"]), first.body)
    assert first.headers["webhook-signature"] == signed["webhook-signature"]
    documents = [("x:a", score("x:a", 49, None, 1)), ("x:a", score("x:a", 51, 49, 2)), ("x:b", score("x:b", 51, 49, 3))]
    publish(cluster.settings, "scores", *documents, ("x:a", score("x:a", 52, 51, 4)), ("x:a", score("x:a", 40, 52, 5)))
    spike(cluster.settings)
    eventually(lambda: len(there.requests) == 4, 60, "two crossings and a spike came")
    told = [(each.json()["type"], each.json()["data"]["direction"]) for each in there.requests[1:]]
    assert sorted(told) == [("score.threshold", "down"), ("score.threshold", "up"), ("spike.open", "rise")]
    assert len({each.headers["webhook-id"] for each in there.requests}) == 4
    eventually(lambda: attempts(client, path) == [("delivered", 1)] * 4, 60, "the log has all")
    assert client.delete(path).status_code == 204
    eventually(lambda: client.get(f"{path}/deliveries").status_code == 404, 60, "it is gone")
    problem(client.get(f"{path}/deliveries"), 404)


def test_a_failed_delivery_outlives_the_alerter_and_keeps_its_id(
    cluster: Cluster, client: httpx.Client, there: Receiver
) -> None:
    """Tried again after a restart; a receiver that hangs delays nobody; 410 ends a subscription."""

    def ids(path: str) -> list[str]:
        return [each.headers["webhook-id"] for each in there.of(path)]

    def answer(path: str) -> tuple[int, dict[str, str]]:
        # On a slow machine the first alerter may try again itself: the third attempt would be 5 minutes away.
        tried_again = len(set(ids("/a"))) < len(ids("/a"))
        return {"/a": 204 if tried_again else 500, "/gone": 410}.get(path, 204), {}

    there.answer = answer
    hanging, _ = subscribe(client, f"{there.url}/hang", events=["spike"])
    failing, _ = subscribe(client, f"{there.url}/a", events=["spike"])
    gone, _ = subscribe(client, f"{there.url}/gone", events=["spike"])
    quick, _ = subscribe(client, f"{there.url}/quick", events=["spike"])
    running = alerter(cluster)
    spike(cluster.settings)
    eventually(lambda: there.of("/hang"), 60, "the hanging receiver was asked")
    spike(cluster.settings, 2)
    eventually(lambda: len(set(ids("/quick"))) == 2, 60, "others are not delayed")
    assert {status for status, _ in attempts(client, hanging)} == {"waiting"}, "the first still hangs"
    eventually(lambda: [tried > 0 for _, tried in attempts(client, failing)] == [True] * 2, 60, "both are in the log")

    def why_gone() -> str:
        subscriptions = client.get("/v1/subscriptions").json()["subscriptions"]
        return next(str(each.get("disabled") or "") for each in subscriptions if each["url"].endswith("/gone"))

    assert eventually(why_gone, 60, "it is disabled") == "the receiver answered 410"
    running.kill()
    alerter(cluster)
    eventually(lambda: {status for status, _ in attempts(client, failing)} == {"delivered"}, 60, "they are tried again")
    assert len(ids("/a")) > len(set(ids("/a"))) == 2
    spike(cluster.settings, 3)
    eventually(lambda: len(set(ids("/quick"))) == 3, 60, "the next spike is told")
    assert len(set(ids("/gone"))) <= 2
    assert attempts(client, hanging)[0][0] == "waiting"
    eventually(lambda: attempts(client, quick)[0] == ("delivered", 1), 60, "the log has it")
    assert gone


def refuses_addresses_that_are_not_public(client: httpx.Client) -> None:
    """With the field named."""
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "https://user@example.com/", "ftp://example.com/x"):
        problem(client.post("/v1/subscriptions", json={"url": url, "events": ["spike"]}), 400, "url")
    problem(
        client.post("/v1/subscriptions", json={"url": "https://a.example", "events": ["threshold"]}), 400, "threshold"
    )
    rule = {"channels": [{"kind": "slack", "url": "https://10.1.1.1"}]}
    problem(client.put("/v1/alerts/rules/a", json=rule), 400, "channels[0].url")
    problem(client.put("/v1/alerts/rules/a", json={**rule, "level": 9}), 400, "level")
    assert client.put("/v1/alerts/rules/a%20b", json=rule).status_code == 400


def test_a_rule_speaks_through_every_channel(cluster: Cluster, there: Receiver, tmp_path: Path) -> None:
    """From the file and from the API; each alert once, its end too; silenced and acknowledged ones are recorded."""
    path = tmp_path / "rules.toml"
    path.write_text(
        f"[[rule]]\nname = 'ops'\noccasions = ['rise']\nchannels = [{{kind='discord', url='{there.url}/discord'}}]\n"
    )
    topic = f"{cluster.settings.topic_prefix.strip('.')}-alerts"
    asyncio.run(create(cluster.settings, topic))
    channels = [
        {"kind": "webhook", "url": f"{there.url}/webhook"},
        {"kind": "slack", "url": f"{there.url}/slack"},
        {"kind": "alertmanager", "url": f"{there.url}/am"},
        {"kind": "kafka", "topic": topic},
        {"kind": "email", "to": ["ops@example.com"]},
    ]
    with mailbox() as box, ExitStack() as stack:
        mail = {"CLOUT_SMTP_URL": f"smtp://127.0.0.1:{box.port}", "CLOUT_ALERT_RULES": str(path)}
        client = stack.enter_context(served(cluster, **mail))
        answer = client.put("/v1/alerts/rules/press", json={"channels": channels, "level": 2, "group_s": 0})
        assert answer.status_code == 200, answer.text
        assert answer.json()["channels"][0]["secret"].startswith("whsec_")
        alerter(cluster, **mail)
        spike(cluster.settings, level=2)
        for where in ("/webhook", "/slack", "/am/api/v2/alerts", "/discord"):
            eventually(lambda where=where: there.of(where), 60, f"{where} was told")  # type: ignore[misc]
        eventually(lambda: box.messages, 60, "a mail came")
        assert "Subject: Clout: engagement with x:a rose" in box.messages[0]
        assert asyncio.run(read(cluster.settings, topic))["data"]["rule"] == "press"
        spike(cluster.settings, level=2, status="grown")
        spike(cluster.settings, level=2, status="closed")
        eventually(lambda: len(there.of("/webhook")) == 2, 60, "the end was told, the repeat was not")
        numbers = itertools.count(2)

        def outcomes(spike_id: str = "") -> list[str]:
            alerts = client.get("/v1/alerts", params={"limit": 100}).json()["alerts"]
            return [each["outcome"] for each in alerts if spike_id in {"", each["event"]["id"]}]

        # The alerter reads what the service has taken a moment later: a spike that it judges before is told.
        def acknowledged() -> bool:
            known = spike(cluster.settings, number := next(numbers), level=2)
            eventually(lambda: outcomes(known) == ["sent"], 60, "the next spike was told")
            assert client.post("/v1/alerts/acknowledgements", json={"spike": known}).status_code == 201
            spike(cluster.settings, number, level=3, status="grown")
            return eventually(lambda: outcomes(known)[:-1], 60, "it has grown") == ["acknowledged"]

        def silenced() -> bool:
            quiet = spike(cluster.settings, next(numbers), level=3, user="x:quiet")
            return eventually(lambda: outcomes(quiet), 60, "it is recorded") == ["silenced"]

        eventually(acknowledged, 60, "what was acknowledged is not told")
        until = time.time_ns() // 1_000_000 + 600_000
        assert client.post("/v1/alerts/silences", json={"until": until, "user": "x:quiet"}).status_code == 201
        eventually(silenced, 60, "what was silenced is not told")
        old = spike(cluster.settings, next(numbers), level=3, time=until - 1_300_000)
        eventually(lambda: outcomes(old) == ["old"], 60, "nor is what is old")
        eventually(lambda: len(there.of("/webhook")) == outcomes().count("sent"), 60, "all else is")
        logged = cluster.run("alerts", "log", "--owner", client.headers["authorization"].split("_")[1])
        tried = cluster.run("alerts", "test", "ops", "--since", "1h", **HERE, **mail)
        assert logged.child.wait(60) == 0, logged.output()
        assert "silenced" in logged.output()
        assert tried.child.wait(60) == 0, tried.output()
        assert "messages since 1h" in tried.output()


async def create(settings: Settings, topic: str) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def read(settings: Settings, topic: str) -> Any:
    """Return the first record of a topic."""
    async with AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(60):
            return msgspec.json.decode((await consumer.getone()).value)


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.chaos)])
def test_no_alert_is_lost_in_a_crash(cluster: Cluster, client: httpx.Client, there: Receiver, kills: int) -> None:
    """Nor told under two ids, however often the alerter is killed; groups go out as one."""
    rule = {"channels": [{"kind": "webhook", "url": f"{there.url}/webhook"}], "group_s": 0}
    assert client.put("/v1/alerts/rules/all", json=rule).status_code == 200
    running = alerter(cluster)

    def told() -> set[str]:
        return {each["id"] for got in there.of("/webhook") for each in got.json()["data"]["alerts"]}

    for batch in range(kills + 1):
        users, now = [f"x:{batch}-{number}" for number in range(10)], time.time_ns() // 1_000_000
        records = [msgspec.structs.replace(SPIKE, id=user, user=user, network="x", time=now) for user in users]
        publish(cluster.settings, "spikes", *((each.user, msgspec.json.encode(each)) for each in records))
        if batch < kills:
            eventually(lambda count=batch * 10: len(told()) > count, 60, "some of them came")  # type: ignore[misc]
            running.kill()
            running = alerter(cluster)
    every = 10 * (kills + 1)
    eventually(lambda: len(told()) == every, 90, "every alert came")
    ids = {got.headers["webhook-id"] for got in there.of("/webhook")}
    assert len(ids) == every
    assert running.stop() == 0
    assert "Traceback" not in running.output()


async def test_rules_are_read_before_the_first_spike(settings: Settings, there: Receiver) -> None:
    """However long they take: a spike that nobody was there to judge would be passed over, and never seen again."""
    key, owner = make_key("admin")
    channel = WebhookChannel(f"{there.url}/late", new_secret())
    rule = AlertRule(f"rule:{key.id}/late", key.id, "late", [channel])
    others = [Acknowledgement(f"acknowledged:{n}", key.id, f"x:b/{n}", 0) for n in range(20_000)]
    await write_all(settings, "control", [(each.id, msgspec.json.encode(each)) for each in (owner, *others, rule)])
    now = time.time_ns() // 1_000_000
    waiting = msgspec.structs.replace(SPIKE, id="x:a/1", user="x:a", network="x", time=now)
    await write_all(settings, "spikes", [("x:a", msgspec.json.encode(waiting))])
    # An alerter stood before the spike when it ended.
    redis = connect(settings.redis, 5.0)
    await redis.hset(keys.ALERTER, keys.offset_field(f"{settings.topic_prefix}spikes", 0), "0")
    await redis.aclose()
    running = asyncio.create_task(
        run(settings.model_copy(update={"delivery_networks": "127.0.0.0/8", "alerter_port": free_port()}))
    )
    try:
        await eventually_async(lambda: asyncio.sleep(0, there.of("/late")), 60, "the spike was told of")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
