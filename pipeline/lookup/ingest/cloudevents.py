"""
CloudEvents 1.0: engagements in somebody else's envelope.

The data are the fields of an engagement. What they leave out is read from the envelope: `id` (with `source`: together
they are unique), `time`, `kind` (the last part of `type`, as in `com.example.like`) and `target` (`subject`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args
from urllib.parse import unquote

import msgspec

from schemas import Kind

_PREFIX: Final = "ce-"
_REQUIRED: Final = ("id", "source", "type", "specversion")
_KINDS: Final = get_args(Kind)

Fields = dict[str, Any]


def from_structured(envelope: Any) -> Fields | msgspec.ValidationError:
    """Return the fields of an engagement in an envelope of JSON, or what is wrong with it."""
    if not isinstance(envelope, dict):
        return msgspec.ValidationError("Expected `object`")
    return _opened(envelope, envelope.get("data"))


def from_binary(headers: Mapping[str, str], data: Any) -> Fields | msgspec.ValidationError:
    """Return the fields of an engagement whose envelope is in the headers, or what is wrong with it."""
    attributes = {name[len(_PREFIX) :]: unquote(value) for name, value in headers.items() if name.startswith(_PREFIX)}
    return _opened(attributes, data)


def _opened(attributes: Mapping[str, Any], data: Any) -> Fields | msgspec.ValidationError:
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            return msgspec.ValidationError(f"Expected a CloudEvents attribute - at `$.{name}`")
    if attributes["specversion"] != "1.0":
        return msgspec.ValidationError("Expected `1.0` - at `$.specversion`")
    if not isinstance(data, dict):
        return msgspec.ValidationError("Expected `object` - at `$.data`")
    fields: Fields = {"id": f"{attributes['source']}/{attributes['id']}"}
    kind = attributes["type"].rpartition(".")[2]
    if kind in _KINDS:
        fields["kind"] = kind
    if "subject" in attributes:
        fields["target"] = attributes["subject"]
    if "time" in attributes:
        try:
            fields["time"] = _unix_ms(attributes["time"])
        except (TypeError, ValueError):
            return msgspec.ValidationError("Expected a time as RFC 3339 has it - at `$.time`")
    return {**fields, **data}


def _unix_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return int(moment.timestamp() * 1000)
