"""From raw records to events, with a refusal for each record that cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from pipeline.state.records import Records, Refusal
from schemas import Engagement, Kind, Post, Profile, Reason, Tick

T = TypeVar("T", Engagement, Post, Profile, Tick)


@dataclass(frozen=True, slots=True)
class Decoded(Generic[T]):
    """The usable events of a run, each with its offset, its Kafka timestamp and its value."""

    events: list[T]
    offsets: list[int]
    timestamps: list[int]
    values: list[bytes]
    refusals: list[Refusal]


class Decoder(Generic[T]):
    """
    Decodes the records of one topic.

    A run without a flaw takes a path without a branch per record; only when something is wrong is
    each record looked at by itself.
    """

    def __init__(
        self, struct: type[T], limit: int, *, key: Callable[[T], str] | None = None, kind: Kind | None = None
    ) -> None:
        """
        Decode records of type `struct`, of `limit` bytes at most.

        Args:
            struct: What a value decodes to.
            limit: The longest value, in bytes.
            key: Reads from an event what its Kafka key must be.
            kind: The only kind of engagement the topic may carry.
        """
        self._decode = msgspec.json.Decoder(struct).decode
        self._limit = limit
        self._key = key
        self._kind = kind

    def decode(self, records: Records) -> Decoded[T]:
        """Return the events of a run and the refusals of what is none."""
        values = records.values
        try:
            # A null value, a flaw in any record, or a wrong key: the whole run takes the careful path.
            if len(max(values, key=len)) > self._limit:  # type: ignore[arg-type]
                return self._decode_each(records)
            events: list[T] = list(map(self._decode, values))  # type: ignore[arg-type]
            if not self._agree(events, records.keys):
                return self._decode_each(records)
        except (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError):
            return self._decode_each(records)
        return Decoded(events, records.offsets, records.timestamps, values, [])  # type: ignore[arg-type]

    def _agree(self, events: list[T], keys: list[bytes | None]) -> bool:
        if self._kind is not None:
            kinds = [event.kind for event in events]  # type: ignore[union-attr]
            if kinds.count(self._kind) != len(kinds):
                return False
        if self._key is None:
            return True
        # One comparison for the whole run; a separator inside an id only sends the run the careful way.
        return b"\n".join(keys) == "\n".join(map(self._key, events)).encode()  # type: ignore[arg-type]

    def _decode_each(self, records: Records) -> Decoded[T]:
        out: Decoded[T] = Decoded([], [], [], [], [])
        rows = zip(records.offsets, records.timestamps, records.keys, records.values, strict=True)
        for offset, timestamp, key, value in rows:
            event = self._decode_one(key, value)
            if isinstance(event, _Flaw):
                out.refusals.append(Refusal(offset, value, event.reason, event.detail))
                continue
            out.events.append(event)
            out.offsets.append(offset)
            out.timestamps.append(timestamp)
            out.values.append(value or b"")
        return out

    def _decode_one(self, key: bytes | None, value: bytes | None) -> "T | _Flaw":
        if value is None:
            return _Flaw("null_value", "the record has no value")
        if len(value) > self._limit:
            return _Flaw("too_large", f"{len(value)} bytes, more than {self._limit}")
        try:
            event = self._decode(value)
        except msgspec.ValidationError as exc:
            return _Flaw("invalid_record", str(exc))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            return _Flaw("invalid_json", str(exc))
        if self._kind is not None and event.kind != self._kind:  # type: ignore[union-attr]
            return _Flaw("kind_mismatch", f"a {event.kind} in the topic of {self._kind}s")  # type: ignore[union-attr]
        if self._key is not None and key != self._key(event).encode():
            return _Flaw("key_mismatch", f"the key is {key!r}, the record is of {self._key(event)!r}")
        return event


@dataclass(frozen=True, slots=True)
class _Flaw:
    reason: Reason
    detail: str
