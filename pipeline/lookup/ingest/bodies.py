"""From the body of a request to one item per event: JSON, NDJSON, CloudEvents."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pipeline.lookup.ingest.cloudevents import from_binary, from_structured

EVENTS_LIMIT: Final = 1000
"""Events in one request."""

JSON: Final = "application/json"
NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CLOUDEVENT: Final = "application/cloudevents+json"
CLOUDEVENTS: Final = "application/cloudevents-batch+json"

Item = dict[str, Any] | msgspec.ValidationError
"""The fields of an event as they came, or why there are none."""


class BodyError(Exception):
    """The body as a whole cannot be read."""


class MediaTypeError(Exception):
    """The body is of a kind that is not known here."""


def read_items(content_type: str, headers: Mapping[str, str], body: bytes) -> list[Item]:
    """
    Return an item per event, in their order.

    Raises:
        BodyError: It is no JSON, holds no events, or too many.
        MediaTypeError: The content type is none of those above.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaTypeError("compressed bodies are not taken: send it as it is")
    if "ce-specversion" in headers:
        items: list[Item] = [from_binary(headers, _json(body))]
    elif media_type in (CLOUDEVENT, CLOUDEVENTS):
        items = [from_structured(envelope) for envelope in _listed(_json(body))]
    elif media_type in NDJSON:
        items = list(_lines(body))
    elif media_type in (JSON, ""):
        items = [_fields(value) for value in _listed(_json(body))]
    else:
        raise MediaTypeError(f"{media_type}: send {JSON}, {NDJSON[0]}, {CLOUDEVENT} or {CLOUDEVENTS}")
    if not 1 <= len(items) <= EVENTS_LIMIT:
        raise BodyError(f"expected 1 to {EVENTS_LIMIT} events, got {len(items)}")
    return items


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise BodyError(str(exc)) from exc


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _lines(body: bytes) -> Iterable[Item]:
    for line in body.splitlines():
        if not line.strip():
            continue
        try:
            yield _fields(_json(line))
        except BodyError as exc:
            yield msgspec.ValidationError(str(exc))


def _fields(value: Any) -> Item:
    return value if isinstance(value, dict) else msgspec.ValidationError("Expected `object`")
