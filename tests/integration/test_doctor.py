"""`clout doctor`: what it finds."""

import asyncio

import pytest
import redis

from pipeline.doctor import Finding, describe, doctor, examine
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers have the time that a slow machine needs."""
    monkeypatch.setattr("pipeline.doctor._PATIENCE_S", 60.0)


def findings(settings: Settings) -> dict[str, list[Finding]]:
    """Return what is found, by subject."""
    found: dict[str, list[Finding]] = {}
    for finding in asyncio.run(examine(settings)):
        found.setdefault(finding.subject, []).append(finding)
    return found


def nowhere(settings: Settings, **changes: object) -> Settings:
    """Return settings with roles on ports where nobody listens."""
    ports = {"port": free_port(), "worker_port": free_port(), "sink_port": free_port()}
    return settings.model_copy(update={**ports, **changes})


def test_all_is_well_when_servers_and_topics_are_there(settings: Settings) -> None:
    """Topics of the right count, a broker and a Redis are all that is essential."""
    asyncio.run(ensure_topics(settings))
    found = findings(nowhere(settings))
    for subject in ("broker", "topics", "redis"):
        assert [finding.level for finding in found[subject]] == ["ok"]
    assert "4 partitions each" in found["topics"][0].text


def test_topics_that_are_missing_are_named_but_not_essential(settings: Settings) -> None:
    """The first role creates them."""
    (topics,) = findings(nowhere(settings))["topics"]
    assert topics.level == "warn"
    assert f"{settings.topic_prefix}likes" in topics.text


def test_another_partition_count_is_a_failure(settings: Settings) -> None:
    """State that was partitioned otherwise cannot be used."""
    asyncio.run(ensure_topics(settings))
    topics = findings(nowhere(settings, partitions=3))["topics"]
    assert {finding.level for finding in topics} == {"fail"}
    assert "has 4 partitions, but CLOUT_PARTITIONS=3" in topics[0].text


def test_servers_that_are_away_are_failures_with_a_remedy(settings: Settings) -> None:
    """The message says where was looked and which setting says so."""
    away = nowhere(settings, broker=f"kafka://127.0.0.1:{free_port()}", redis=f"redis://127.0.0.1:{free_port()}")
    found = findings(away)
    assert found["broker"][0].level == found["redis"][0].level == "fail"
    assert "set CLOUT_BROKER" in found["broker"][0].text
    assert "set CLOUT_REDIS" in found["redis"][0].text


def test_roles_elsewhere_are_not_essential(settings: Settings) -> None:
    """A role that does not run on this machine may run on another."""
    found = findings(nowhere(settings))
    for role in ("worker", "serve"):
        assert [finding.level for finding in found[role]] == ["warn"]
        assert f"`clout {role}` starts it" in found[role][0].text


def test_scores_that_wait_for_the_sink_are_counted(settings: Settings) -> None:
    """Where nothing was written there is no lag."""
    asyncio.run(ensure_topics(settings))
    with redis.Redis.from_url(settings.redis) as client:
        client.hset("clout:sink", f"{settings.topic_prefix}scores/0", 0)
    lags = [finding for finding in findings(nowhere(settings))["sink"] if "wait to be written" in finding.text]
    assert [finding.text for finding in lags] == ["0 scores wait to be written to Redis"]


def test_secrets_are_redacted(settings: Settings) -> None:
    """Neither a password of its own nor one in an address is shown."""
    secret = settings.model_copy(update={"redis": "rediss://ada:hunter2@redis.example.org:6380/0"})
    shown = "\n".join(describe(Settings(sasl_password="hunter3", redis=secret.redis)))  # type: ignore[arg-type]
    assert "hunter" not in shown
    assert "CLOUT_REDIS=rediss://ada:**********@redis.example.org:6380/0" in shown


def test_the_exit_status_tells_whether_something_essential_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when a deployment could run, 1 when not, and a line for each finding."""
    monkeypatch.setattr("pipeline.doctor.get_settings", lambda: nowhere(settings))
    assert doctor() == 0
    monkeypatch.setattr("pipeline.doctor.get_settings", lambda: nowhere(settings, redis="redis://127.0.0.1:1"))
    assert doctor() == 1
    assert "fail  redis" in capsys.readouterr().out
