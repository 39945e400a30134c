"""Linked accounts through real processes: commands, worker, sink, Redis and the oracle."""

import asyncio
import json
from typing import Any

import pytest
import redis

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.clock import system_clock
from pipeline.contributed import Contributed
from pipeline.log_reader import LogReader
from pipeline.replay import run as fold_the_log
from pipeline.settings import Settings
from schemas import KINDS, Engagement, Identity
from tests.support.cluster import Cluster
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

ACCOUNTS = {"bluesky:a": 5, "mastodon:b": 3, "github:c": 2}
"""Engagements of each, of every kind."""


def engagements() -> list[Engagement]:
    """Return what happens to the accounts, each by actors of its own network."""
    now = system_clock()
    return [
        Engagement(f"{account}/{kind}/{n}", kind, account.split(":")[0], f"{account.split(':')[0]}:x{n}", account, now)
        for account, count in ACCOUNTS.items()
        for kind in KINDS
        for n in range(count)
    ]


async def publish(settings: Settings, records: list[Engagement | Identity]) -> None:
    """Publish records as an agent does."""
    publisher = Publisher(settings)
    await publisher.start()
    await publisher.publish(Routes(settings).route(records))
    await publisher.flush()
    await publisher.stop()


class Reader:
    """Reads what a user of Redis sees."""

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def document(self, user: str) -> dict[str, Any]:
        """Return a score document."""
        found = self.redis.get(f"clout:user:{user}")
        return json.loads(found) if isinstance(found, str) else {}

    def likes(self, user: str) -> int | None:
        """Return the likes of 90 days."""
        document = self.document(user)
        return document["engagement"]["90d"]["likes"] if document else None

    def counts(self, user: str) -> set[int]:
        """Return the different counts of the kinds, of 90 days."""
        document = self.document(user)
        return set(document["engagement"]["90d"].values()) if document else set()

    def person(self, account: str) -> str | None:
        """Return the person of an account, if its document and its key agree on it."""
        named, key = self.document(account).get("person"), self.redis.get(f"clout:identity:{account}")
        return str(named) if named is not None and named == key else None if named is key else "they differ"


def command(cluster: Cluster, *arguments: str) -> str:
    """Run a command to its end and return what it wrote."""
    # In a terminal of its own the embedded broker's lack of idempotence is not known.
    process = cluster.run(*arguments, CLOUT_IDEMPOTENCE="true")
    eventually(lambda: not process.is_running(), 60, f"clout {arguments} ends")
    return f"{process.child.status()} {process.output().strip()}"


def test_accounts_are_linked_changed_and_unlinked(cluster: Cluster) -> None:
    """Each person's score holds all their accounts, across partitions, and the oracle agrees."""
    cluster.start("worker").wait_ready()
    cluster.start("sink")
    reader = Reader(cluster.settings.redis)
    asyncio.run(publish(cluster.settings, list(engagements())))
    eventually(lambda: [reader.counts(user) for user in ACCOUNTS] == [{5}, {3}, {2}], 60, "all kinds are counted")
    alone = reader.document("mastodon:b")["score"]
    assert "person" not in reader.document("mastodon:b")

    assert command(cluster, "link", "mastodon:b", "bluesky:a") == "0 mastodon:b contributes to bluesky:a"
    asyncio.run(publish(cluster.settings, [Identity("github:c", "bluesky:a", system_clock())]))
    eventually(lambda: reader.likes("bluesky:a") == 10, 60, "a has all of its accounts")
    eventually(lambda: reader.person("mastodon:b") == reader.person("github:c") == "bluesky:a", 60, "they name it")
    document = reader.document("bluesky:a")
    assert document["engagers"] == 10
    assert set(document["networks"]) == {"bluesky", "mastodon", "github"}
    assert document["networks"]["mastodon"]["score"] == alone < document["score"]
    assert document["score"] > max(network["score"] for network in document["networks"].values())
    assert sum(network["share"] for network in document["networks"].values()) == pytest.approx(1, abs=1e-3)
    assert reader.likes("mastodon:b") == 3

    assert command(cluster, "link", "github:c", "mastodon:b").startswith("0 ")
    eventually(lambda: (reader.likes("bluesky:a"), reader.likes("mastodon:b")) == (8, 5), 60, "c has moved")
    eventually(lambda: reader.person("github:c") == "mastodon:b", 60, "c names b")

    assert command(cluster, "unlink", "mastodon:b") == "0 mastodon:b belongs to itself alone"
    eventually(lambda: reader.likes("bluesky:a") == 5, 60, "b has left")
    eventually(lambda: reader.person("mastodon:b") is None, 60, "b names nobody")
    assert set(reader.document("bluesky:a")["networks"]) == {"bluesky"}
    assert reader.likes("mastodon:b") == 5

    # Nobody is told before the last round, and the sink needs a moment more.
    eventually(lambda: asyncio.run(fold_the_log(cluster.settings, check=True)).clean, 60, "the oracle agrees")


def test_what_accounts_tell_during_a_check_is_no_difference(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A like to a linked account, and a new link, once the contributions are read: their persons hear of it soon."""
    cluster.start("worker").wait_ready()
    reader, settings = Reader(cluster.settings.redis), cluster.settings
    cluster.start("sink")
    link = Identity("mastodon:b", "bluesky:a", system_clock())
    asyncio.run(publish(settings, [*engagements(), link]))
    eventually(lambda: reader.likes("bluesky:a") == 8, 60, "b contributes to a")
    eventually(lambda: asyncio.run(fold_the_log(settings, check=True)).clean, 60, "the oracle agrees")
    read = Contributed.read

    async def read_and_go_on(log: LogReader, settings: Settings) -> Contributed:
        contributed, now = await read(log, settings), system_clock()
        like = Engagement("mastodon:new", "like", "mastodon", "mastodon:x9", "mastodon:b", now)
        await publish(settings, [like, Identity("github:c", "bluesky:a", now)])
        return contributed

    monkeypatch.setattr(Contributed, "read", read_and_go_on)
    report = asyncio.run(fold_the_log(settings, check=True))
    assert report.clean, report.summary(check=True)
    eventually(lambda: reader.likes("bluesky:a") == 11, 60, "it did happen")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("link", "bluesky:a", "bluesky:a"), "cannot be linked to itself"),
        (("link", "nobody", "bluesky:a"), "'nobody' is no account"),
        (("unlink", "bluesky:" + "x" * 600), "is no account"),
    ],
)
def test_what_cannot_be_linked_is_refused(cluster: Cluster, arguments: tuple[str, ...], told: str) -> None:
    """One line, exit status 1, nothing published."""
    output = command(cluster, *arguments)
    assert output.startswith("1 clout: ")
    assert told in output
    assert "\n" not in output
