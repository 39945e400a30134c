"""From raw records to events, with a refusal for each record that cannot be used."""

from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.state.packed import Packed
from pipeline.state.records import Records, Refusal
from pipeline.state.scan import scan
from pipeline.state.sources import POSTS
from pipeline.state.xxh64 import digest_of_id
from schemas import KINDS, Engagement, Kind, Post, Profile, Reason, Tick

S = TypeVar("S", Engagement, Post, Profile, Tick)
Event = TypeVar("Event", Engagement, Post)

TIME_FAR: Final = 1 << 62
"""Later times, which are refused anyway, stand as this one."""

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a record cannot be used."""

    reason: Reason
    detail: str


class RecordDecoder(Generic[S]):
    """Decodes one record at a time, and says what is wrong with those it cannot."""

    def __init__(self, struct: type[S], limit: int, kind: Kind | None = None) -> None:
        """
        Decode records of type `struct`.

        Args:
            struct: What a value decodes to.
            limit: The longest value, in bytes.
            kind: The only kind of engagement the topic may carry.
        """
        self._decoder: msgspec.json.Decoder[S] = msgspec.json.Decoder(struct)
        self._limit = limit
        self._kind = kind

    def decode(self, key: bytes | None, value: bytes | None) -> S | Flaw:  # noqa: PLR0911
        """Return what a record says, or why it says nothing."""
        if value is None:
            return Flaw("null_value", "the record has no value")
        if len(value) > self._limit:
            return Flaw("too_large", f"{len(value)} bytes, more than {self._limit}")
        try:
            event = self._decoder.decode(value)
        except msgspec.ValidationError as exc:
            return Flaw("invalid_record", str(exc))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            return Flaw("invalid_json", str(exc))
        kind = getattr(event, "kind", None)
        if kind != self._kind:
            return Flaw("kind_mismatch", f"a {kind} in the topic of {self._kind}s")
        user = user_of(event)
        if user is not None and user.encode() != key:
            return Flaw("key_mismatch", f"the key is {key!r}, the record is of {user!r}")
        return event


def user_of(event: Engagement | Post | Profile | Tick) -> str | None:
    """Return whose row an event is of; None for a tick."""
    match event:
        case Engagement():
            return event.target
        case Post():
            return event.author
        case Profile():
            return event.user
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Decoded(Generic[S]):
    """The usable profiles or ticks of a run, with their places in it."""

    records: Records
    events: list[S]
    places: NDArray[np.int64]

    @property
    def times(self) -> NDArray[np.int64]:
        """Event times, Unix ms."""
        return np.array([min(event.time, TIME_FAR) for event in self.events], np.int64)

    @property
    def users(self) -> NDArray[np.uint64]:
        """Digests of the users' ids."""
        return np.array([digest_of_id(user_of(event) or "") for event in self.events], np.uint64)

    @property
    def actors(self) -> NDArray[np.uint64] | None:
        """None: nobody acts on anybody."""
        return None

    @property
    def keys(self) -> Packed:
        """The records' keys."""
        return self.records.keys.select(self.places)

    def take(self, chosen: NDArray[np.int64]) -> "Decoded[S]":
        """Return some events."""
        return Decoded(self.records, [self.events[i] for i in chosen.tolist()], self.places[chosen])


def decode_each(decoder: RecordDecoder[S], records: Records, refusals: list[Refusal]) -> Decoded[S]:
    """Decode a run, one record at a time."""
    events: list[S] = []
    places: list[int] = []
    for place, (key, value) in enumerate(zip(records.keys, records.values, strict=True)):
        event = decoder.decode(key, value)
        if isinstance(event, Flaw):
            refusals.append(records.refusal(place, event.reason, event.detail))
        else:
            events.append(event)
            places.append(place)
    return Decoded(records, events, np.array(places, np.int64))


@dataclass(frozen=True, slots=True)
class Scanned:
    """The usable engagements or posts of a run, with their places in it."""

    records: Records
    events: NDArray[np.void]
    """[n] `SCANNED`."""
    buffer: NDArray[np.uint8]
    """What they were read from."""
    keys: Packed
    places: NDArray[np.int64]

    @property
    def times(self) -> NDArray[np.int64]:
        """Event times, Unix ms."""
        times: NDArray[np.int64] = self.events["time"].copy()
        return times

    @property
    def users(self) -> NDArray[np.uint64]:
        """Digests of the users' ids."""
        users: NDArray[np.uint64] = self.events["user"]
        return users

    @property
    def actors(self) -> NDArray[np.uint64]:
        """Digests of the actors' ids; of a post 0, which nobody has."""
        actors: NDArray[np.uint64] = self.events["actor"]
        return actors

    def take(self, chosen: NDArray[np.int64]) -> "Scanned":
        """Return some events."""
        events, places = self.events.take(chosen), self.places[chosen]
        return Scanned(self.records, events, self.buffer, self.keys.select(chosen), places)


class EventDecoder(Generic[Event]):
    """
    Decodes runs of engagements of one kind, or of posts.

    The scanner reads them all at once. What it leaves, odd or wrong, is decoded one at a time; what turns out to be an
    event is written in the way that the scanner knows, and scanned again.
    """

    def __init__(self, struct: type[Event], limit: int, kind: Kind | None = None) -> None:
        """Decode records of type `struct`; the arguments are `RecordDecoder`'s."""
        self._decoder: RecordDecoder[Event] = RecordDecoder(struct, limit, kind)
        self._limit = limit
        self._kind = KINDS.index(kind) if kind is not None else len(KINDS)

    def decode(self, records: Records, refusals: list[Refusal]) -> Scanned:
        """Decode a run."""
        values, keys = records.values, records.keys
        events = scan(values, keys, self._kind) if records.scanned is None else records.scanned
        events["is_read"][values.lengths > self._limit] = 0
        if events["is_read"].all():
            return Scanned(records, events, values.buffer, keys, np.arange(len(events)))
        return self._decode_rest(records, values, keys, events, refusals)

    def _decode_rest(
        self, records: Records, values: Packed, keys: Packed, events: NDArray[np.void], refusals: list[Refusal]
    ) -> Scanned:
        rest: list[Event] = []
        places: list[int] = []
        for place in np.flatnonzero(events["is_read"] == 0).tolist():
            event = self._decoder.decode(records.keys[place], records.values[place])
            if isinstance(event, Flaw):
                refusals.append(records.refusal(place, event.reason, event.detail))
            else:
                rest.append(event)
                places.append(place)
        # Numbers go by themselves: JSON has more ways to write them than the scanner reads.
        written = Packed.of([_ENCODER.encode(_without_numbers(event)) for event in rest])
        again = scan(written, Packed.of([b""] * len(rest)), self._kind, escapes=True)
        if not again["is_read"].all():
            raise AssertionError(f"the scanner cannot read {rest[int(again['is_read'].argmin())]!r}")
        for i, event in enumerate(rest):
            again[i]["time"] = min(event.time, TIME_FAR)
            if isinstance(event, Engagement):
                again[i]["score"] = -1.0 if event.actor_score is None else event.actor_score
                again[i]["nth"] = -1 if event.actor_nth is None else min(event.actor_nth, TIME_FAR)
                again[i]["since"] = -1 if event.actor_since is None else min(event.actor_since, TIME_FAR)
        for name in ("user_at", "actor_at", "object_at", "tags_at"):
            again[name] += len(values.text)
        events[places] = again
        buffer = np.frombuffer(values.text + written.text, np.uint8)
        return Scanned(records, events, buffer, keys, np.arange(len(events))).take(np.flatnonzero(events["is_read"]))


def read_ahead(source: int, records: Records) -> Records:
    """
    Return a run of a source with what the scanner reads in it: what the fold would begin with.

    For another thread than the fold's. The scanner holds no interpreter lock, so that both work at the same time.
    """
    if source > POSTS:
        return records
    return replace(records, scanned=scan(records.values, records.keys, source))


def _without_numbers(event: Event) -> Event:
    if isinstance(event, Engagement):
        return msgspec.structs.replace(event, time=0, actor_score=None, actor_nth=None, actor_since=None)
    return msgspec.structs.replace(event, time=0)
