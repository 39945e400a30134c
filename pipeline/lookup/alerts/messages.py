"""Alerts in the words of each channel."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pipeline.lookup.alerts.rules import Alert
from pipeline.lookup.delivery.delivery import Delivery, message_id
from schemas import AlertmanagerChannel, AlertRule, Channel, DiscordChannel, EmailChannel, SlackChannel

_SHOWN: Final = 10
"""Alerts that one message spells out: Discord takes 2,000 characters, Standard Webhooks wants less than 20 KB."""
_LONGEST: Final = 1900
_RESOLVE_MS: Final = 86_400_000
"""An alert that nobody takes back ends by itself in Alertmanager after this time."""


def deliveries(rule: AlertRule, alerts: Sequence[Alert], now: int) -> list[Delivery]:
    """Return a delivery for each channel of a rule; their ids follow from the alerts."""
    ids = [alert.id for alert in alerts]
    return [
        Delivery(
            message_id(*ids, place), rule.owner, rule.id, channel, _body(channel, rule, alerts), subject(alerts), now
        )
        for place, channel in enumerate(rule.channels)
    ]


def subject(alerts: Sequence[Alert]) -> str:
    """Return the first alert in a line, and how many more there are; no line breaks, so that it can be a header."""
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return "".join(max(character, " ") for character in f"Clout: {alerts[0].event.summary}{more}"[:200])


def _body(channel: Channel, rule: AlertRule, alerts: Sequence[Alert]) -> str:
    if isinstance(channel, EmailChannel):
        return _text(rule, alerts)
    if isinstance(channel, SlackChannel):
        # What others named themselves must not become markup or a mention.
        text = _text(rule, alerts).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        document: Any = {"text": text}
    elif isinstance(channel, DiscordChannel):
        document = {"content": _text(rule, alerts)[:_LONGEST], "allowed_mentions": {"parse": []}}
    elif isinstance(channel, AlertmanagerChannel):
        document = [_prometheus(rule, alert) for alert in alerts]
    else:
        document = {"type": "alert", "timestamp": _time(alerts[0].time), "data": _data(rule, alerts)}
    return msgspec.json.encode(document).decode()


def _text(rule: AlertRule, alerts: Sequence[Alert]) -> str:
    lines = [f"{alert.event.summary}, since {_time(alert.event.began)}" for alert in alerts[:_SHOWN]]
    if len(alerts) > _SHOWN:
        lines.append(f".. and {len(alerts) - _SHOWN} more")
    return "\n".join([*lines, f"(rule {rule.name})"])


def _data(rule: AlertRule, alerts: Sequence[Alert]) -> dict[str, Any]:
    shown = [
        {
            "id": alert.id,
            "status": "closed" if alert.event.is_closed else "open",
            "occasion": alert.event.occasion,
            "user": alert.event.user or None,
            "network": alert.event.network,
            "level": alert.event.level,
            "summary": alert.event.summary,
            "began": alert.event.began,
            "spike": msgspec.to_builtins(alert.event.spike),
        }
        for alert in alerts[:_SHOWN]
    ]
    return {"rule": rule.name, "alerts": shown, "left_out": max(0, len(alerts) - _SHOWN)}


def _prometheus(rule: AlertRule, alert: Alert) -> dict[str, Any]:
    event = alert.event
    end = alert.time if event.is_closed else alert.time + _RESOLVE_MS
    labels = {"alertname": f"clout_{event.occasion}", "rule": rule.name, "network": event.network, "alert": event.id}
    if event.user:
        labels["user"] = event.user
    return {
        "labels": labels,
        "annotations": {"summary": event.summary, "level": str(event.level)},
        "startsAt": _time(event.began),
        "endsAt": _time(end),
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
