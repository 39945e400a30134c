"""From raw records to columns, with a refusal for each record that cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from pipeline.state.columns import Columns, EngagementColumns, PostColumns, ProfileColumns, TickColumns
from pipeline.state.records import Records, Refusal
from schemas import Engagement, Kind, Post, Profile, Reason, Tick

CHUNK: Final = 256
"""Records decoded before their fields are taken: they must still be in the processor's cache."""

Record = Engagement | Post | Profile | Tick
C = TypeVar("C", EngagementColumns, PostColumns, ProfileColumns, TickColumns)
AnyColumns = TypeVar("AnyColumns", bound=Columns)


@dataclass(frozen=True, slots=True)
class Decoded(Generic[AnyColumns]):
    """The usable events of a run in columns, with their keys, offsets, Kafka timestamps and values."""

    columns: AnyColumns
    keys: list[bytes]
    offsets: list[int]
    timestamps: list[int]
    values: list[bytes]
    refusals: list[Refusal]

    def __len__(self) -> int:
        """Return the number of usable events."""
        return len(self.columns)

    def select(self, keep: list[int]) -> "Decoded[AnyColumns]":
        """Return the events at some places, with all refusals."""
        return Decoded(
            self.columns.select(keep),
            [self.keys[i] for i in keep],
            [self.offsets[i] for i in keep],
            [self.timestamps[i] for i in keep],
            [self.values[i] for i in keep],
            self.refusals,
        )


class Decoder(Generic[C]):
    """
    Decodes the records of one topic.

    A run without a flaw takes a path without a branch per record; only when something is wrong is
    each record looked at by itself.
    """

    def __init__(self, struct: type[Record], columns: Callable[[], C], limit: int, *, kind: Kind | None = None) -> None:
        """
        Decode records of type `struct`, of `limit` bytes at most.

        Args:
            struct: What a value decodes to.
            columns: Where its fields go.
            limit: The longest value, in bytes.
            kind: The only kind of engagement the topic may carry.
        """
        # Which columns take which struct is the caller's pairing: `Any` stands for it.
        self._decode: Callable[..., Any] = msgspec.json.Decoder(struct).decode
        self._columns: Callable[[], C] = columns
        self._limit = limit
        self._kind = kind
        self._keyed = struct is not Tick

    def decode(self, records: Records) -> Decoded[C]:
        """Return the events of a run and the refusals of what is none."""
        values = records.values
        columns = self._columns()
        try:
            # A null value, a flaw in any record, or a wrong key: the whole run takes the careful path.
            if max(map(len, cast("list[bytes]", values))) > self._limit:
                return self._decode_each(records)
            for start in range(0, len(values), CHUNK):
                events = list(map(self._decode, values[start : start + CHUNK]))
                if self._kind is not None and [event.kind for event in events].count(self._kind) != len(events):
                    return self._decode_each(records)
                columns.extend(events)
            if self._keyed and list(map(str.encode, columns.users)) != records.keys:
                return self._decode_each(records)
        except (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError):
            return self._decode_each(records)
        keys, present = cast("list[bytes]", records.keys), cast("list[bytes]", values)
        return Decoded(columns, keys, records.offsets, records.timestamps, present, [])

    def _decode_each(self, records: Records) -> Decoded[C]:
        out = Decoded(self._columns(), [], [], [], [], [])
        rows = zip(records.offsets, records.timestamps, records.keys, records.values, strict=True)
        for offset, timestamp, key, value in rows:
            flaw = self._take(out.columns, key, value)
            if flaw is not None:
                out.refusals.append(Refusal(offset, value, flaw.reason, flaw.detail))
                continue
            out.keys.append(key or b"")
            out.offsets.append(offset)
            out.timestamps.append(timestamp)
            out.values.append(value or b"")
        return out

    def _take(self, columns: C, key: bytes | None, value: bytes | None) -> "_Flaw | None":
        """Add one record to the columns, or tell what is wrong with it."""
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
        return self._take_event(columns, key, event)

    def _take_event(self, columns: C, key: bytes | None, event: Any) -> "_Flaw | None":
        if self._kind is not None and event.kind != self._kind:
            return _Flaw("kind_mismatch", f"a {event.kind} in the topic of {self._kind}s")
        one = self._columns()
        try:
            one.extend([event])
            if self._keyed and key != one.users[0].encode():
                return _Flaw("key_mismatch", f"the key is {key!r}, the record is of {one.users[0]!r}")
        except UnicodeError as exc:
            # JSON can escape half of a surrogate pair, which is no text.
            return _Flaw("invalid_record", str(exc))
        columns.extend([event])
        return None


@dataclass(frozen=True, slots=True)
class _Flaw:
    reason: Reason
    detail: str
