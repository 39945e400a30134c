"""`clout alerts`: rules, what they told, what they would have told; silences and acknowledgements."""

import asyncio
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from cyclopts import App, Parameter

from pipeline.clock import system_clock
from pipeline.control.commands import duration_ms
from pipeline.control.reading import read_control
from pipeline.control.writer import ControlWriter
from pipeline.errors import ConfigError, StoreUnavailableError
from pipeline.kafka import client_options
from pipeline.lookup import keys
from pipeline.lookup.alerts.checks import ChannelChecks
from pipeline.lookup.alerts.memory import Memory
from pipeline.lookup.alerts.occasion import Event, of_spike
from pipeline.lookup.alerts.rules import Alert, rehearse
from pipeline.lookup.alerts.rulesfile import OWNER, RulesFile
from pipeline.lookup.connection import AWAY, connect
from pipeline.lookup.delivery.queue import LOG_KEPT, DeliveryQueue
from pipeline.settings import Settings, load_settings
from pipeline.topics import ensure_topics
from schemas import Acknowledgement, AlertRule, Control, Silence, Spike

app = App(name="alerts", help="Alert rules: what there is, what was told, what would have been.")

T = TypeVar("T")

Broker = Annotated[str | None, Parameter(help="Kafka: kafka://host:port")]
Redis = Annotated[str | None, Parameter(help="Redis: redis://host:port/0")]
Owner = Annotated[str, Parameter(help="Whose: an API key's id, or file for the rules file.")]

_TIMEOUT_S: Final = 2.0


@app.command
def rules(*, broker: Broker = None) -> None:
    """List the rules of the rules file and of all keys."""
    found = asyncio.run(_rules(load_settings(broker=broker)))
    _say("owner\tname\toccasions\tlevel\tusers\tchannels")
    for rule in found:
        users = "all" if rule.users is None else str(len(rule.users))
        channels = ",".join(str(msgspec.to_builtins(channel)["kind"]) for channel in rule.channels)
        _say("\t".join([rule.owner, rule.name, ",".join(rule.occasions), str(rule.level), users, channels]))


@app.command
def log(*, owner: Owner = OWNER, limit: int = 20, redis: Redis = None) -> None:
    """Show what an owner's rules had to tell, the newest first, and what became of it."""
    _show(asyncio.run(_log(load_settings(redis=redis), _owner(owner), min(limit, LOG_KEPT))))


@app.command(name="test")
def rehearsal(rule: str, *, since: str = "7d", owner: Owner = "", broker: Broker = None, redis: Redis = None) -> None:
    """Show what a rule would have told of the spikes since then; nothing is sent."""
    settings = load_settings(broker=broker, redis=redis)
    alerts = asyncio.run(_test(settings, rule, owner, system_clock() - duration_ms("--since", since)))
    _show(alerts)
    sent = sum(alert.outcome == "sent" for alert in alerts)
    _say(f"{rule}: {len(alerts)} alerts in {sent} messages since {since}")


@app.command
def silence(
    lasting: str,
    *,
    owner: Owner = OWNER,
    rule: str | None = None,
    user: str | None = None,
    network: str | None = None,
    comment: str = "",
    broker: Broker = None,
) -> None:
    """Silence an owner's alerts for so long (2h, 30m): those of a rule, a user or a network, or all."""
    until = system_clock() + duration_ms("LASTING", lasting)
    record = Silence(f"silence:{secrets.token_hex(8)}", _owner(owner), until, rule, user, network, comment)
    asyncio.run(_write(load_settings(broker=broker), record))
    _say(f"silenced until {_date(until)}: {record.id}")


@app.command
def ack(spike: str, *, owner: Owner = OWNER, comment: str = "", broker: Broker = None) -> None:
    """Say that somebody cares for a spike, by its id: an owner's rules tell no more of it."""
    record = Acknowledgement(f"ack:{_owner(owner)}/{spike}", _owner(owner), spike, system_clock(), comment)
    asyncio.run(_write(load_settings(broker=broker), record))
    _say(f"acknowledged {spike}")


async def _rules(settings: Settings) -> list[AlertRule]:
    table = await read_control(settings)
    return [*RulesFile(settings.alert_rules, ChannelChecks(settings)).rules, *table.all(AlertRule)]


async def _log(settings: Settings, owner: str, limit: int) -> list[Alert]:
    redis = connect(settings.redis, _TIMEOUT_S)
    try:
        found = await DeliveryQueue(redis).entries(keys.alert_log(owner), limit)
    except AWAY as exc:
        raise StoreUnavailableError(f"Redis does not answer at {settings.redis}") from exc
    finally:
        await redis.aclose()
    return [msgspec.json.decode(each, type=Alert) for each in found]


async def _test(settings: Settings, name: str, owner: str, since: int) -> list[Alert]:
    named = [rule for rule in await _rules(settings) if rule.name == name and owner in ("", rule.owner)]
    if not named:
        raise ConfigError(f"there is no rule {name}: `clout alerts rules` shows all")
    if len(named) > 1:
        raise ConfigError(f"several have a rule {name}: say whose, --owner {named[0].owner}")
    events = await _spikes(settings, since)
    redis = connect(settings.redis, _TIMEOUT_S)
    try:
        scores = await Memory(redis).scores(sorted({event.user for event in events}))
    except AWAY as exc:
        raise StoreUnavailableError(f"Redis does not answer at {settings.redis}") from exc
    finally:
        await redis.aclose()
    return list(rehearse(named[0], events, scores))


async def _spikes(settings: Settings, since: int) -> list[Event]:
    """Return the spikes that were found since a moment (Unix ms), in the order they were found."""
    await ensure_topics(settings)
    partitions = [TopicPartition(settings.topic_prefix + "spikes", part) for part in range(settings.partitions)]
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    events: list[Event] = []
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        for tp in partitions:
            while await consumer.position(tp) < ends[tp]:
                for record in (await consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                    with suppress(msgspec.MsgspecError):
                        spike = msgspec.json.decode(record.value or b"", type=Spike)
                        if spike.time >= since:
                            events.append(of_spike(spike))
    finally:
        with suppress(KafkaError, OSError):
            await consumer.stop()
    return sorted(events, key=lambda event: event.time)


async def _write(settings: Settings, record: Control) -> None:
    writer = ControlWriter(settings)
    try:
        await writer.put(record)
    finally:
        await writer.close()


def _owner(text: str) -> str:
    return text if text == OWNER or text.startswith("key:") else f"key:{text}"


def _show(alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        detail = f" ({alert.detail})" if alert.detail else ""
        _say(f"{_date(alert.time)}\t{alert.outcome}{detail}\t{alert.rule.rpartition('/')[2]}\t{alert.event.summary}")


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
