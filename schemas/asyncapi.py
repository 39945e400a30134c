"""The AsyncAPI document: every topic of Kafka, and every stream of events of the lookup service."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic without the deployment's prefix; `record` is named as its JSON Schema file."""

    record: str
    key: str
    what: str


TOPICS: Final[dict[str, Topic]] = {
    "likes": Topic("engagement", "target", "Engagements of the kind `like`."),
    "shares": Topic("engagement", "target", "Engagements of the kind `share`."),
    "comments": Topic("engagement", "target", "Engagements of the kind `comment`."),
    "follows": Topic("engagement", "target", "Engagements of the kind `follow`."),
    "posts": Topic("post", "author", "Posts, and their deletions."),
    "profiles": Topic("profile", "user", "Profiles; compacted."),
    "identities": Topic("identity", "account", "The person an account belongs to; compacted, a tombstone unlinks."),
    "ticks": Topic("tick", "", "The time, once a minute, in every partition."),
    "contributions": Topic("contribution", "person", "What a linked account contributes; compacted."),
    "scores": Topic("score", "user", "Score documents; compacted. Readers keep the highest `version`."),
    "details": Topic("details", "user", "Who and what stands behind a score; compacted."),
    "history": Topic("history", "user", "The score per hour and day."),
    "spikes": Topic("spike", "user", "Spikes as they open, grow and close."),
    "control": Topic("control", "id", "Keys, subscriptions, rules, overrides and forgotten ids; compacted."),
    "dead-letters": Topic("dead-letter", "source topic", "Refused records: the untouched bytes; the headers say why."),
}


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream of events of the lookup service, by its path; each event's data, named as its JSON Schema file."""

    path: str
    socket: bool
    events: dict[str, str]
    what: str


_CHANGES: Final = {"snapshot": "score", "ready": "nothing", "change": "change", "gone": "gone", "reset": "reset"}
_SPIKES: Final = {"spike": "spike", "reset": "reset"}
_ON_SOCKETS: Final = {"alive": "nothing", "error": "problem"}

FEEDS: Final[dict[str, Feed]] = {
    "changes": Feed("/v1/changes", False, _CHANGES, "Changes of scores, as Server-Sent Events."),
    "changesSocket": Feed("/v1/changes/ws", True, _CHANGES | _ON_SOCKETS, "The same over a WebSocket."),
    "spikes": Feed("/v1/spikes", False, _SPIKES, "Spikes, as Server-Sent Events."),
    "spikesSocket": Feed("/v1/spikes/ws", True, _SPIKES | _ON_SOCKETS, "The same over a WebSocket."),
}

_NOTHING: Final = {"type": "object", "maxProperties": 0}
_PROBLEM: Final = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["title", "status"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}


def document(records: dict[str, Any]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of records by their name: Structs or unions."""
    names = list(records)
    roots, definitions = msgspec.json.schema_components(
        [records[name] for name in names], ref_template="#/components/schemas/{name}"
    )
    # By names that no Struct has: those begin with a capital letter.
    schemas = {**dict(zip(names, roots, strict=True)), "nothing": _NOTHING, "problem": _PROBLEM, **definitions}
    schemas = {name: _plain(schema) for name, schema in schemas.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Clout",
            "version": VERSION,
            "description": "Influence scores from 1 to 100: what goes in by Kafka, and what comes out as it changes.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "{broker}", "protocol": "kafka", "variables": {"broker": {"default": "127.0.0.1:9092"}}},
            "http": {"host": "{address}", "protocol": "http", "variables": {"address": {"default": "127.0.0.1:8080"}}},
            "ws": {"host": "{address}", "protocol": "ws", "variables": {"address": {"default": "127.0.0.1:8080"}}},
        },
        "channels": {
            **{f"clout.{name}": _topic(name, topic) for name, topic in TOPICS.items()},
            **{name: _feed(feed) for name, feed in FEEDS.items()},
        },
        "operations": {
            **{f"read-{name}": _operation("receive", f"clout.{name}", topic.what) for name, topic in TOPICS.items()},
            **{f"follow-{name}": _operation("receive", name, feed.what) for name, feed in FEEDS.items()},
        },
        "components": {"schemas": schemas},
    }


def _plain(schema: Any) -> Any:
    """Return a schema with discriminators as AsyncAPI writes them: the name of the property, no mapping."""
    if isinstance(schema, dict):
        return {
            name: part["propertyName"] if name == "discriminator" else _plain(part) for name, part in schema.items()
        }
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def _topic(name: str, topic: Topic) -> dict[str, Any]:
    message: dict[str, Any] = {"name": topic.record, "contentType": "application/json"}
    if topic.record == "dead-letter":
        message |= {"contentType": "application/octet-stream", "headers": _schema(topic.record)}
    else:
        message["payload"] = _schema(topic.record)
    if topic.key:
        message["bindings"] = {"kafka": {"key": {"type": "string", "description": f"The {topic.key}."}}}
    return {
        "address": f"clout.{name}",
        "description": f"{topic.what} CLOUT_TOPIC_PREFIX may replace `clout.`.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {topic.record: message},
    }


def _feed(feed: Feed) -> dict[str, Any]:
    return {
        "address": feed.path,
        "description": feed.what,
        "servers": [{"$ref": f"#/servers/{'ws' if feed.socket else 'http'}"}],
        "messages": {event: _message(event, record, feed) for event, record in feed.events.items()},
    }


def _message(event: str, record: str, feed: Feed) -> dict[str, Any]:
    payload = _schema(record)
    if feed.socket:
        payload = {
            "type": "object",
            "required": ["event", "id", "data"],
            "properties": {"event": {"const": event}, "id": {"type": ["string", "null"]}, "data": payload},
        }
    return {"name": event, "payload": payload}


def _operation(action: str, channel: str, what: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": what}


def _schema(record: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{record}"}
