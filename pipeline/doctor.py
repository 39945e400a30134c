"""`clout doctor`: what is configured, reachable and lagging."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.text import Text

from pipeline.errors import BrokerUnavailableError, ConfigError
from pipeline.kafka import bootstrap_servers, client_options, connected
from pipeline.local.ports import reachable
from pipeline.lookup import keys
from pipeline.settings import Settings, get_settings
from pipeline.topics import CHANGELOG, TOPICS

Level = Literal["ok", "warn", "fail"]
"""`fail` is something that no role can do without."""

_COLOURS: Final[dict[Level, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_PATIENCE_S: Final = 5.0
"""Whoever does not answer within this time is taken to be away."""
_LAG_LIMIT: Final = 10_000
"""Records: a worker reads as many in a fraction of a second, so that more of them waiting means that it is behind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    level: Level
    subject: str
    text: str


def doctor() -> int:
    """Tell what is configured, reachable and lagging; exit status 1 when something essential is away."""
    settings = get_settings()
    console = Console(file=sys.stdout, highlight=False)
    # A broker that is away is a finding, not a log line of the client.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for description in describe(settings):
        console.print(Text(description), soft_wrap=True)
    findings = asyncio.run(examine(settings))
    for finding in findings:
        line = Text(f"{finding.level:>4}", style=_COLOURS[finding.level])
        console.print(line.append(Text(f"  {finding.subject:<7}  {finding.text}", style="default")), soft_wrap=True)
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def describe(settings: Settings) -> list[str]:
    """Return a line for each setting, secrets redacted."""
    return [
        f"CLOUT_{name.upper()}={_shown(value)}{'' if name in settings.model_fields_set else '  (default)'}"
        for name, value in settings
    ]


async def examine(settings: Settings) -> list[Finding]:
    """Look at the broker, its topics, Redis, and the roles of this machine."""
    broker, redis, roles = await asyncio.gather(
        _examine_broker(settings), _examine_redis(settings), asyncio.to_thread(_examine_roles, settings)
    )
    return [*broker, *redis, *roles]


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return str(value)
    text = "" if value is None else str(value)
    return _without_password(text) if "://" in text else text


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username or ''}:**********@{parts.netloc.rpartition('@')[2]}").geturl()


async def _examine_broker(settings: Settings) -> list[Finding]:
    address = ",".join(bootstrap_servers(settings))
    try:
        async with asyncio.timeout(_PATIENCE_S), _admin(settings) as admin:
            brokers = (await admin.describe_cluster())["brokers"]
            topics = await _partition_counts(admin)
    except (ConfigError, BrokerUnavailableError) as exc:
        return [Finding("fail", "broker", str(exc))]
    except (KafkaError, OSError, TimeoutError) as exc:
        text = f"no Kafka answers at {address} ({_reason(exc)}): start one, or set CLOUT_BROKER"
        return [Finding("fail", "broker", text)]
    return [Finding("ok", "broker", f"{address}: {len(brokers)} broker(s)"), *_examine_topics(settings, topics)]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        async with connected(settings):
            await admin.start()
        yield admin
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


def _examine_topics(settings: Settings, counts: dict[str, int]) -> list[Finding]:
    wanted = [settings.topic_prefix + spec.name for spec in (*TOPICS, CHANGELOG)]
    missing = [name for name in wanted if name not in counts]
    findings = [
        Finding("fail", "topics", f"{name} has {counts[name]} partitions, but CLOUT_PARTITIONS={settings.partitions}")
        for name in wanted
        if counts.get(name, settings.partitions) != settings.partitions
    ]
    if missing:
        findings.append(Finding("warn", "topics", f"not there yet, the first role creates them: {', '.join(missing)}"))
    if not findings:
        text = f"all {len(wanted)} of prefix {settings.topic_prefix!r} are there, {settings.partitions} partitions each"
        findings.append(Finding("ok", "topics", text))
    return findings


async def _examine_redis(settings: Settings) -> list[Finding]:
    address = _without_password(settings.redis)
    client = Redis.from_url(settings.redis, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
    try:
        server = await client.info("server")
        users = await client.zcard(keys.RANK)
        offsets = await client.hgetall(keys.SINK)
    except (RedisError, OSError) as exc:
        text = f"no Redis answers at {address} ({_reason(exc)}): start one, or set CLOUT_REDIS"
        return [Finding("fail", "redis", text)]
    finally:
        await client.aclose()
    version = server.get("valkey_version") or server.get("redis_version")
    here = Finding("ok", "redis", f"{address}: version {version}, {users:,} users")
    return [here, await _sink_lag(settings, cast("dict[bytes, bytes]", offsets))]


async def _sink_lag(settings: Settings, offsets: dict[bytes, bytes]) -> Finding:
    topic = settings.topic_prefix + "scores"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            ends = await _ends(settings, topic)
    except (KafkaError, OSError, TimeoutError, ConfigError) as exc:
        return Finding("warn", "sink", f"lag unknown: the ends of {topic} cannot be read ({_reason(exc)})")
    # A partition of which nothing was stored yet counts from its beginning.
    lag = sum(max(0, end - int(offsets.get(keys.offset_field(topic, part).encode(), 0))) for part, end in ends.items())
    return _lag("sink", lag, "scores wait to be written to Redis")


async def _ends(settings: Settings, topic: str) -> dict[int, int]:
    consumer = AIOKafkaConsumer(**client_options(settings))
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        return {partition.partition: end for partition, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await consumer.stop()


def _examine_roles(settings: Settings) -> list[Finding]:
    ports = {
        "worker": settings.worker_port,
        "sink": settings.sink_port,
        "serve": settings.port,
        "alerter": settings.alerter_port,
    }
    findings = [_examine_role(role, f"http://{reachable(settings.host)}:{port}") for role, port in ports.items()]
    return [*findings, *_worker_lag(f"http://{reachable(settings.host)}:{settings.worker_port}/metrics")]


def _examine_role(role: str, url: str) -> Finding:
    try:
        _get(f"{url}/readyz")
    except (URLError, OSError) as exc:
        # It may run on another machine: not essential here.
        return Finding("warn", role, f"not ready at {url} ({_reason(exc)}); `clout {role}` starts it")
    return Finding("ok", role, f"ready at {url}")


def _worker_lag(url: str) -> list[Finding]:
    try:
        families = text_string_to_metric_families(_get(url))
    except (URLError, OSError):
        return []
    waiting = [
        sample.value for family in families if family.name == "clout_consumer_lag_records" for sample in family.samples
    ]
    return [_lag("worker", int(sum(waiting)), "records wait to be folded")] if waiting else []


def _lag(role: str, lag: int, what: str) -> Finding:
    return Finding("ok" if lag <= _LAG_LIMIT else "warn", role, f"{lag:,} {what}")


def _get(url: str) -> str:
    with urlopen(url, timeout=_PATIENCE_S) as answer:  # noqa: S310 - an address of our own roles
        return cast("bytes", answer.read()).decode()


def _reason(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
