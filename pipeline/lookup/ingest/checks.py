"""What an event must be to go into the log: all that the fold would make a dead letter is refused here, by field."""

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pipeline.lookup.access.caller import Caller
from pipeline.lookup.ingest.bodies import Item
from pipeline.settings import Settings
from schemas import Engagement, is_user_id, network_of

_PLACE: Final = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_encode = msgspec.json.Encoder().encode


class Rejection(msgspec.Struct, frozen=True):
    """An event that was not taken: its place in the request, and the field that is wrong."""

    index: int
    field: str
    reason: str


@dataclass(slots=True)
class Checked:
    """What a request holds."""

    events: list[Engagement] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


class Checks:
    """Tells events from what is none."""

    def __init__(self, settings: Settings) -> None:
        self._future_ms = settings.future_limit_s * 1000
        self._limit = settings.record_limit_bytes

    def check(self, items: list[Item], caller: Caller, now: int) -> Checked:
        """
        Return the good events without stamps, and what is wrong with the others.

        Args:
            items: As they came.
            caller: Who sent them.
            now: Unix ms.
        """
        out = Checked()
        for index, item in enumerate(items):
            try:
                out.events.append(self._event(item, caller, now))
            except _FlawError as flaw:
                out.rejected.append(Rejection(index, flaw.field, flaw.reason))
        return out

    def _event(self, item: Item, caller: Caller, now: int) -> Engagement:
        event, size = _decoded(item)
        if size > self._limit:
            raise _FlawError("", f"{size} bytes, more than {self._limit}")
        if event.time > now + self._future_ms:
            raise _FlawError("time", f"more than {self._future_ms // 1000} s in the future")
        networks = {"network": event.network}
        for name, user in (("actor", event.actor), ("target", event.target)):
            if not is_user_id(user) or any(ord(character) < 32 for character in user):
                raise _FlawError(name, "expected network:native-id, for example github:torvalds")
            networks[name] = network_of(user)
        for name, network in networks.items():
            if not caller.may_publish(network):
                raise _FlawError(name, f"this key may not publish for {network}")
        return event


class _FlawError(Exception):
    """What is wrong with one event."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def _decoded(item: Item) -> tuple[Engagement, int]:
    """Return an event without its stamps, and its length in bytes."""
    try:
        if isinstance(item, msgspec.ValidationError):
            raise item
        event = msgspec.convert(item, Engagement)
        # Stamps are trusted from agents only: whoever sends an event does not say what its actor weighs.
        event = msgspec.structs.replace(event, actor_score=None, actor_nth=None, actor_since=None, mutual=None)
        return event, len(_encode(event))
    except msgspec.ValidationError as exc:
        raise _placed(exc) from exc
    except UnicodeError as exc:
        raise _FlawError("", "half of a surrogate pair is no text") from exc


def _placed(exc: msgspec.ValidationError) -> _FlawError:
    match = _PLACE.match(str(exc))
    assert match is not None
    missing = _MISSING.search(match[1])
    return _FlawError(match[2] or (missing[1] if missing else ""), match[1])
