"""
The spikes of a partition: from its events to the records of `clout.spikes`, and a section of its rows.

A row's section holds what was last told of its spike. Whoever recovers the row tells it again, if the offsets behind
it were not yet committed: the same record, under the same id.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.baseline import HOURS
from pipeline.scoring.spikes import Ints, SpikeConfig
from pipeline.state import bursts, pace
from pipeline.state.bursts import Burst, tallied
from pipeline.state.course import Change, Open
from pipeline.state.events import SELF, is_counted
from pipeline.state.lines import Line
from pipeline.state.spikes import Spikes
from pipeline.state.watches import History, Watch
from schemas import KINDS, Spike, TopActor, TopPost, network_of

TOP: Final = 5
"""Actors and posts in a record."""

Kept = Callable[[Ints], tuple[Ints, NDArray[np.void]]]
"""From rows to the `EVENT` records that they keep, [m], and how many each has."""


class _Section(msgspec.Struct, frozen=True, array_like=True, gc=False):
    empty_at: int
    watch: Watch | None
    spike: Open | None
    burst: bursts.Written | None
    told: list[bytes]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Section)
_JSON: Final = msgspec.json.Encoder()
_SPIKE: Final = msgspec.json.Decoder(Spike)


class SpikeRows:
    """What a partition knows of the spikes of its rows. A section of the row."""

    tag = 2

    def __init__(self, config: SpikeConfig) -> None:
        self.spikes = Spikes(config)
        self.told: dict[int, list[bytes]] = {}
        """The records that the next round sends, by row."""
        self._written: set[int] = set()
        """The rows whose newest section holds what was told: it stays there until the row is written again."""
        self.is_collecting = np.zeros(0, np.bool_)
        """The rows that have a burst."""
        self._bursts: dict[int, Burst] = {}
        self._changes: list[Change] = []

    def grow(self, room: int) -> None:
        """Make room for more rows."""
        self.spikes.grow(room)
        grown = np.zeros(room, np.bool_)
        grown[: len(self.is_collecting)] = self.is_collecting
        self.is_collecting = grown

    def name(self, row: int, line: Line) -> None:
        """Note who did what, of an engagement with a row that is collecting."""
        self._bursts[row].evidence.add(line)

    def fold(self, rows: Ints, events: NDArray[np.void], as_of: int, history: History, kept: Kept) -> None:
        """
        Take staged events, sorted by row; `tell` says what they changed.

        Args:
            rows: [m]
            events: `EVENT` [m].
            as_of: Seconds, the partition's.
            history: Tells what rows had before these events.
            kept: Tells which of these are still there.
        """
        counted = np.flatnonzero(is_counted(events) & ((events["flags"] & SELF) == 0))
        if len(counted) < len(rows):
            rows, events = rows[counted], events.take(counted)
        time, kind = events["time"].astype(np.int64), events["kind"].astype(np.int64)
        self._changes += self.spikes.fold(rows, time, kind, as_of, history)
        self._collect(rows, events, kept)

    def pass_time(self, as_of: int) -> None:
        """Note that time passed without an event, in seconds."""
        self._changes += self.spikes.pass_time(as_of)

    def _collect(self, rows: Ints, events: NDArray[np.void], kept: Kept) -> None:
        began = dict(self.spikes.warm)
        # A spike that opened and ended within these events is no longer warm, but must be told of.
        began.update({change.row: change.began for change in self._changes if change.direction == "rise"})
        over = self._bursts.keys() - began.keys()
        for row in over:
            del self._bursts[row]
        self.is_collecting[list(over)] = False
        fresh = np.sort(np.array(list(began.keys() - self._bursts.keys()), np.int64))
        if len(fresh):
            self._bursts.update({row: Burst(began[row]) for row in fresh.tolist()})
            self.is_collecting[fresh] = True
            lengths, before = kept(fresh)
            mine = np.flatnonzero(is_counted(before) & ((before["flags"] & SELF) == 0))
            self._add(np.repeat(fresh, lengths)[mine], before.take(mine))
        mine = np.flatnonzero(self.is_collecting[rows])
        if len(mine):
            self._add(rows[mine], events.take(mine))

    def _add(self, rows: Ints, events: NDArray[np.void]) -> None:
        bursts = [self._bursts[row] for row in rows.tolist()]
        began = np.array([burst.began for burst in bursts], np.int64)
        for row, counts, actors in tallied(rows, events, began):
            self._bursts[row].add(counts, actors)

    def tell(self, ids: Sequence[bytes], version: int) -> list[int]:
        """Make the records of what changed, and return the rows whose spikes they are."""
        changes, self._changes = self._changes, []
        for change in changes:
            record = self._record(change, ids[change.row].decode(), version)
            self.told.setdefault(change.row, []).append(_JSON.encode(record))
        return [change.row for change in changes]

    def take_told(self) -> dict[int, list[bytes]]:
        """Return what the round sends, once its rows are encoded: it is told once."""
        told, self.told = self.told, {}
        return told

    def _record(self, change: Change, user: str, version: int) -> Spike:
        burst = self._bursts.get(change.row) if change.direction == "rise" else None
        began = change.began * 1000
        reasons = burst.suspicions() if burst else []
        kinds = dict(zip(KINDS, burst.kinds, strict=True)) if burst else {}
        actors, posts = (burst.evidence.top(sort, TOP) for sort in (0, 1)) if burst else ([], [])
        return Spike(
            f"{user}/{began}",
            user,
            network_of(user),
            change.status,
            change.direction,
            began,
            change.level,
            round(change.rate, 2),
            round(change.baseline, 3),
            {kind: count for kind, count in kinds.items() if count},
            [TopPost(post, count) for post, count in posts],
            [TopActor(actor, count) for actor, count in actors],
            "suspicious" if reasons else "organic",
            reasons,
            version,
            change.time * 1000,
        )

    # -- the section

    def encode(self, rows: Ints) -> Iterable[tuple[int, bytes]]:
        """Yield the place in `rows` and the section of each row that has one."""
        spikes = self.spikes
        empty_at, watch = spikes.empty_at[rows], spikes.watch[rows]
        # An empty bucket, or one with an engagement or two, is soon filled again.
        worth_it = (watch >= 0) | (empty_at > spikes.as_of + 2 * pace.DRAIN_SECONDS)
        if self.told:
            worth_it |= np.isin(rows, list(self.told))
        if self._written:
            self._written.difference_update(rows.tolist())
        places = np.flatnonzero(worth_it)
        watched = watch[places].astype(np.int64)
        watches = iter(spikes.watches.written(watched[watched >= 0]))
        columns = (places, rows[places], watched, empty_at[places])
        for place, row, number, empty in zip(*(column.tolist() for column in columns), strict=True):
            burst, told = self._bursts.get(row), self.told.get(row, [])
            if told:
                self._written.add(row)
            section = _Section(
                empty,
                next(watches) if number >= 0 else None,
                spikes.open.get(number),
                burst.written() if burst else None,
                told,
            )
            yield place, _ENCODER.encode(section)

    def restore(self, rows: Sequence[int], parts: Sequence[bytes]) -> None:
        """Hold what `encode` wrote; msgspec's errors are ValueErrors."""
        spikes = self.spikes
        for row, part in zip(rows, parts, strict=True):
            section = _DECODER.decode(part)
            spikes.empty_at[row] = section.empty_at
            if section.watch is not None:
                if len(section.watch.hours) % HOURS:
                    raise ValueError(f"{len(section.watch.hours)} bytes of hours are no multiple of {HOURS}")
                spikes.watch[row] = number = spikes.watches.read(row, section.watch)
                if section.spike is not None:
                    spikes.open[number] = section.spike
            if section.burst is not None:
                self._bursts[row] = Burst.read(section.burst)
                self.is_collecting[row] = True
                spikes.warm[row] = section.burst.began
            if section.told:
                self.told[row] = section.told
                self._written.add(row)

    def forget(self, rows: Sequence[int]) -> None:
        """Hold nothing of rows."""
        spikes = self.spikes
        at = np.asarray(rows, np.int64)
        watch = spikes.watch[at]
        numbers = watch[watch >= 0].astype(np.int64)
        if len(numbers):
            spikes.watches.let_go(np.unique(numbers))
            for number in numbers.tolist():
                spikes.open.pop(number, None)
        spikes.watch[at], spikes.empty_at[at], self.is_collecting[at] = -1, 0, False
        if self._bursts or self.told or self._written or spikes.warm:
            gone = set(rows)
            self._written -= gone
            for held in (self._bursts, self.told, spikes.warm):
                for row in gone.intersection(held):
                    held.pop(row)

    def scrub(self, actors: Sequence[str]) -> list[int]:
        """Take actors out of what spikes are made of and what was told; return the rows that may have named one."""
        touched = {row for row, burst in self._bursts.items() if burst.evidence.forget(actors)}
        for row, records in self.told.items():
            spikes = [_SPIKE.decode(record) for record in records]
            if any(each.actor in actors for spike in spikes for each in spike.actors):
                self.told[row] = [_JSON.encode(_without(spike, actors)) for spike in spikes]
                touched.add(row)
        return sorted(touched | self._written)

    def owe(self, is_ahead: NDArray[np.bool_]) -> None:
        """After a recovery, tell again only what was told by rows that are ahead of what was committed."""
        self.told = {row: records for row, records in self.told.items() if is_ahead[row]}


def _without(spike: Spike, actors: Sequence[str]) -> Spike:
    return msgspec.structs.replace(spike, actors=[each for each in spike.actors if each.actor not in actors])
