"""
One partition of the engagement table: rows of accounts in columns, folded from the log.

The state is a pure function of the log's records, whatever the batches: no clock, no look-up, no randomness.
`fold` stages a run of records; `settle` applies what is staged, so that arrays are touched once for many runs.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.spikes import SPIKES, SpikeConfig
from pipeline.scoring.windows import QUARTER, SLICES, WINDOWS, Windows
from pipeline.state import events as ev
from pipeline.state.decisions import Decisions
from pipeline.state.decode import Decoded, EventDecoder, RecordDecoder, Scanned, decode_each
from pipeline.state.events import joined
from pipeline.state.evidence import Evidence
from pipeline.state.gathered import Gathered
from pipeline.state.history import past_of
from pipeline.state.horizon import HeldIds, IdHorizon
from pipeline.state.large import LargeRows
from pipeline.state.lines import read_lines
from pipeline.state.linking import Linking
from pipeline.state.links import fold_contributions, fold_identities
from pipeline.state.moments import Moments, timed
from pipeline.state.packed import Packed
from pipeline.state.packing import network_numbers, pack
from pipeline.state.profiles import Profiles
from pipeline.state.records import Records, Refusal
from pipeline.state.row_index import RowIndex, RowNames
from pipeline.state.said import Said
from pipeline.state.sections import Section
from pipeline.state.slabs import sorting
from pipeline.state.small import SmallRows
from pipeline.state.sources import IDENTITIES, KIND_OF_SOURCE, POSTS, PROFILES, SOURCES, TICKS
from pipeline.state.spike_rows import SpikeRows
from pipeline.state.watches import Past
from schemas import Engagement, Post, Profile, Tick, is_user_id

SMALL_LIMIT: Final = 64
"""Events a row keeps as they came; with more it becomes large. No more than a sample holds, so both tell the same."""

GATHERED: Final = 2_048
"""Events that wait to be packed together: of live traffic a run has some dozens, and costs nearly as much."""

STAGED: Final = 16_384
"""Events staged before they are applied: many for one array operation, few enough to stay in the processor's cache."""

NOWHERE: Final = 1 << 62
NO_ANCHORS: Final = np.array([[NOWHERE] * PROFILES, [0] * PROFILES], np.int64)

APPLIED, DUPLICATE, LATE, FORGOTTEN, DEAD = range(5)
FATES: Final = ("applied", "duplicate", "late", "forgotten", "dead_lettered")


@dataclass(frozen=True, slots=True)
class StateConfig:
    """Settings of the deployment that the state depends on. Every process must use the same."""

    windows: Windows = WINDOWS
    dedupe_seconds: int = 3600
    dedupe_ids: int = 1_000_000
    """Records of a partition; each engagement topic gets its even part."""
    future_ms: int = 300_000
    record_limit: int = 65_536
    spikes: SpikeConfig = SPIKES

    @property
    def ids_a_source(self) -> int:
        """The records of a source among which a repeat is looked for."""
        return max(1, self.dedupe_ids // 4)


_D = TypeVar("_D", Scanned, Decoded[Profile], Decoded[Tick])
_K = TypeVar("_K", Scanned, Decoded[Profile])


class Partition:
    """The rows of one partition and the position to which each input topic has been folded."""

    as_of: int = 0
    """The greatest event time or tick folded, Unix ms."""
    version_before: int = 0
    """The greatest version of earlier logs; 0 where this log is the first."""
    writer: int = 0
    """Stands in every row that this owner writes: greater than any owner's before."""
    owner: int = 0
    """The first `writer` of this owner; 0 before it writes."""
    _owner_since: int = 0
    _waiting: int = 0

    def __init__(self, number: int, config: StateConfig | None = None, decisions: Decisions | None = None) -> None:
        self.number = number
        self.decisions = Decisions() if decisions is None else decisions
        self.config = config or StateConfig()
        self.windows = self.config.windows
        self.positions = np.zeros(len(SOURCES), np.int64)
        """The next offset of each source."""
        self.fates = np.zeros(len(FATES), np.int64)
        self.counted = np.zeros(len(SOURCES), np.int64)
        """The positions up to which `fates` had counted when they were restored."""
        self.index = RowIndex()
        self.ids = RowNames(self.index)
        self.small_rows = SmallRows()
        self.profiles = Profiles()
        self.linking, self.moments = Linking(), Moments(self.windows)
        self.spikes = SpikeRows(self.config.spikes)
        self.sections: tuple[Section, ...] = (self.profiles, self.linking, self.spikes, self.moments)
        """What only some rows have."""
        self.evidence: dict[int, Evidence] = {}
        self.large_rows = LargeRows(self.windows)
        self._room = 0
        self.network = np.zeros(0, np.int16)
        self.large = np.zeros(0, np.int32)
        """The row's number among the large ones, -1 for a small row."""
        self.last = np.zeros(0, np.int64)
        """The newest engagement of each row, Unix ms."""
        self.emitted = np.zeros(0, np.float32)
        """The score of the last document emitted; NaN before the first."""
        self.generation = np.zeros(0, np.uint32)
        self.dirty = np.zeros(0, np.bool_)
        """What changed since it was last flushed."""
        self.owed = np.zeros(0, np.bool_)
        """What changed since it was last emitted."""
        self.applied: NDArray[np.int64] | None = None
        """[rows, sources] the position each row has absorbed, while restored rows are ahead of `positions`."""
        self.ahead = np.zeros(len(SOURCES), np.int64)
        """The greatest of `applied`, by source."""
        self.horizons = [IdHorizon(self.config.dedupe_seconds, self.config.ids_a_source) for _ in range(PROFILES)]
        self.committed = np.zeros(len(SOURCES), np.int64)
        """The positions that a recovery begins at."""
        self.anchors = NO_ANCHORS.copy()
        """By source, from which offset on ids are to be read again, and the greatest event time before it, s."""
        self._log_time = [0] * PROFILES
        limit = self.config.record_limit
        self._engagements = {source: EventDecoder(Engagement, limit, kind) for source, kind in KIND_OF_SOURCE.items()}
        self._posts, self._profiles = EventDecoder(Post, limit), RecordDecoder(Profile, limit)
        self._ticks = RecordDecoder(Tick, limit)
        self._staged: list[tuple[NDArray[np.int64], NDArray[np.void]]] = []
        self._gathered = Gathered()
        self._said: list[Said] = []

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    @property
    def version(self) -> int:
        """Return the sum of the offsets folded, over all input topics and logs."""
        return self.version_before + int(self.positions.sum())

    @property
    def told(self) -> int:
        """Return the greatest version that whoever had the partition may have told, this owner included."""
        return self.version_before + int(np.maximum(self.positions, self.counted).sum())

    @property
    def is_behind(self) -> bool:
        """
        Tell whether whoever had the partition before had come further, in some topic.

        It may have sent documents of any row: ours of the same sum of offsets, or a greater one, may tell less of that
        topic.
        """
        return bool((self.positions < self.counted).any())

    @property
    def room(self) -> int:
        """Return the number of rows that the columns have room for."""
        return self._room

    def write_as(self, generation: int) -> None:
        """
        Begin to write as a member of a generation of the group: above all that was written before.

        A group that the broker has forgotten counts its generations from the beginning; what its members write must
        not be taken for a zombie's. Added to what was read, a later generation is the greater one, even if the
        zombie had not written yet.
        """
        if not self.owner:
            written = max(self.writer, int(self.generation[: len(self)].max(initial=0)))
            self.owner, self._owner_since = written + max(1, generation), generation
        # Not added to what this owner might have written: the next one reads only what was.
        self.writer = self.owner + generation - self._owner_since

    # -- folding

    def fold(self, source: int, records: Records) -> list[Refusal]:
        """
        Fold a run of records of one source that begins where the last one ended.

        Returns:
            The records that could not be used. All others are folded.

        Raises:
            ValueError: The run does not begin at the source's position; the state is as before.
        """
        if records.first != self.positions[source]:
            raise ValueError(
                f"records of {SOURCES[source]}/{self.number} begin at {records.first}, the fold stands at "
                f"{self.positions[source]}"
            )
        refusals: list[Refusal] = []
        if len(records):
            if source < POSTS:
                self._fold_engagements(source, records, refusals)
            elif source == POSTS:
                self._fold_posts(records, refusals)
            elif source == PROFILES:
                self._fold_profiles(records, refusals)
            elif source == TICKS:
                self._fold_ticks(records, refusals)
            else:
                refusals = self._fold_links(source, records)
            self._count(source, DEAD, np.array([refusal.offset for refusal in refusals], np.int64))
        self.skip_to(source, records.end)
        return refusals

    def skip_to(self, source: int, position: int) -> None:
        """Go on at a position, without what stands before it."""
        self.positions[source] = position
        if self.applied is not None and (self.ahead <= self.positions).all():
            self.applied = None

    def _fold_engagements(self, source: int, records: Records, refusals: list[Refusal]) -> None:
        decoded = self._in_time(self._engagements[source].decode(records, refusals), refusals)
        decoded = self._without_forgotten(source, decoded)
        decoded, rows = self._rows_of(decoded, refusals)
        if not len(rows):
            return
        take, events = self._fates_of(source, decoded, rows), decoded.events
        leaves_trace = take & (events["undo"] == 0)
        if self.decisions:
            self.decisions.trust(events)
            take &= ~self.decisions.is_blocked(events["actor"], decoded.times)
            leaves_trace &= take & ~self.decisions.is_hidden(events["actor"])
        is_large, is_collecting = self.large[rows] >= 0, self.spikes.is_collecting[rows]
        if leaves_trace.any():
            self._said.append(Said.of(decoded, rows, is_large, is_collecting, leaves_trace))
        self._gather(source, rows, events, take)

    def _fold_posts(self, records: Records, refusals: list[Refusal]) -> None:
        decoded = self._in_time(self._posts.decode(records, refusals), refusals)
        decoded = self._without_forgotten(POSTS, decoded)
        decoded, rows = self._rows_of(decoded, refusals)
        if len(rows):
            self._gather(POSTS, rows, decoded.events, self._fates_of(POSTS, decoded, rows))

    def _fold_profiles(self, records: Records, refusals: list[Refusal]) -> None:
        decoded = self._in_time(decode_each(self._profiles, records, refusals), refusals)
        decoded = self._without_forgotten(PROFILES, decoded)
        decoded, rows = self._rows_of(decoded, refusals)
        older = np.zeros(len(rows), np.bool_)
        for i, (row, profile) in enumerate(zip(rows.tolist(), decoded.events, strict=True)):
            held = self.profiles.get(row)
            older[i] = held is not None and held.time > profile.time
            if not older[i]:
                self.profiles.put(row, profile)
                self.dirty[row] = self.owed[row] = True
        offsets = records.offsets[decoded.places]
        self._count(PROFILES, APPLIED, offsets[~older])
        self._count(PROFILES, LATE, offsets[older])

    def _fold_ticks(self, records: Records, refusals: list[Refusal]) -> None:
        decoded = self._in_time(decode_each(self._ticks, records, refusals), refusals)
        self._count(TICKS, APPLIED, records.offsets[decoded.places])

    def remember(self, source: int, records: Records) -> None:
        """
        Take up the ids of records that were folded before a restart, so that their repeats are found.

        Args:
            source: One of the engagement topics or the posts.
            records: A run of it, below the position where the fold goes on.
        """
        as_of, fates = self.as_of, self.fates.copy()
        decoder = self._engagements[source] if source < POSTS else self._posts
        decoded = self._without_forgotten(source, self._in_time(decoder.decode(records, []), []))
        decoded = decoded.take(np.flatnonzero(self._are_users(decoded.keys)))
        self.as_of, self.fates = as_of, fates
        if len(decoded.places):
            self._repeated(source, decoded, decoded.times // 1000)

    def reads_from(self, source: int) -> int:
        """Return from which offset on `remember` wants the records of a source."""
        return max(0, min(int(self.anchors[0, source]), int(self.positions[source]) - self.config.ids_a_source))

    def next_anchors(self) -> NDArray[np.int64]:
        """Return `anchors` for whoever recovers from what is committed now, or later."""
        known = self.anchors
        starts = np.maximum(self.committed[:PROFILES] - self.config.ids_a_source, 0)
        times = [each.time_before(start) for each, start in zip(self.horizons, starts.tolist(), strict=True)]
        # Nothing of the log is known that stood before the anchor found.
        passed = (known[0] <= starts) | (known[0] == NOWHERE)
        return np.where(passed, np.stack([starts, np.maximum(times, known[1])]), known)

    def hold_ids(self, source: int, held: HeldIds, position: int) -> None:
        """Begin with ids that stood before `position` of a source, maybe in an earlier log."""
        self.horizons[source].put_in(held, position)
        self._log_time[source] = self.horizons[source].time

    def _repeated(self, source: int, decoded: Scanned, seconds: NDArray[np.int64]) -> NDArray[np.bool_]:
        events = decoded.events
        since, time = self.anchors[:, source].tolist()
        if since <= decoded.records.first:
            # In a log of old events the newest one may stand long before what was read again.
            self._log_time[source] = max(self._log_time[source], time)
        log_time = np.maximum.accumulate(np.maximum(seconds, self._log_time[source]))
        self._log_time[source] = int(log_time[-1])
        # An undo has the id of what it withdraws, and is none of its repeats.
        high = events["id_high"] ^ events["undo"]
        return self.horizons[source].add(high, events["id_low"], decoded.records.offsets[decoded.places], log_time)

    def _fold_links(self, source: int, records: Records) -> list[Refusal]:
        limit, future_ms = self.config.record_limit, self.config.future_ms
        if self.decisions.forgotten:
            gone = np.array([self.decisions.is_forgotten_key(key) for key in records.keys], np.bool_)
            self._count(source, FORGOTTEN, records.offsets[gone])
            records = records.pick(np.flatnonzero(~gone))
        if source == IDENTITIES:
            folded = fold_identities(self, records, limit, future_ms)
        else:
            folded = fold_contributions(self, records, limit)
        fates = ((APPLIED, folded.applied), (DUPLICATE, folded.duplicate), (LATE, folded.late))
        for fate, offsets in fates:
            self._count(source, fate, np.array(offsets, np.int64))
        return folded.refusals

    def _in_time(self, decoded: _D, refusals: list[Refusal]) -> _D:
        """Refuse what lies too far in the future, and move `as_of` on by the rest."""
        time, records = decoded.times, decoded.records
        limit = np.minimum(records.timestamps[decoded.places] + self.config.future_ms, ev.TIME_LAST_MS)
        ahead = time > limit
        if ahead.any():
            for i in np.flatnonzero(ahead).tolist():
                detail = f"event time {time[i]} is {(time[i] - limit[i]) // 1000} s past the limit"
                refusals.append(records.refusal(int(decoded.places[i]), "future_time", detail))
            decoded, time = decoded.take(np.flatnonzero(~ahead)), time[~ahead]
        self.as_of = max(self.as_of, int(time.max(initial=0)))
        return decoded

    def _without_forgotten(self, source: int, decoded: _K) -> _K:
        """Leave out what is of forgotten users, and count it."""
        if not self.decisions.forgotten:
            return decoded
        gone = self.decisions.is_forgotten(decoded.users, decoded.actors, decoded.times)
        if not gone.any():
            return decoded
        self._count(source, FORGOTTEN, decoded.records.offsets[decoded.places[gone]])
        return decoded.take(np.flatnonzero(~gone))

    def _rows_of(self, decoded: _K, refusals: list[Refusal]) -> tuple[_K, NDArray[np.int64]]:
        """Return the rows of the events' users, new ones where there are none; refuse those whose id is none."""
        rows = self.index.find(decoded.keys)
        unknown = np.flatnonzero(rows < 0)
        if not len(unknown):
            return decoded, rows
        fresh = decoded.keys.select(unknown)
        bad = {key for key in fresh if not is_user_id((key or b"").decode())}
        if not bad:
            rows[unknown] = self.add_rows(fresh)
            return decoded, rows
        good = np.array([key not in bad for key in fresh], np.bool_)
        rows[unknown[good]] = self.add_rows(fresh.select(np.flatnonzero(good)))
        for place in decoded.places[rows < 0].tolist():
            key = decoded.records.keys[place] or b""
            detail = f"{key.decode()!r} is not network:native-id"
            refusals.append(decoded.records.refusal(place, "invalid_user", detail))
        return decoded.take(np.flatnonzero(rows >= 0)), rows[rows >= 0]

    def _are_users(self, keys: Packed) -> NDArray[np.bool_]:
        """Tell which keys were taken for users when they were folded."""
        users = self.index.find(keys) >= 0
        unknown = np.flatnonzero(~users)
        users[unknown] = [is_user_id((key or b"").decode()) for key in keys.select(unknown)]
        return users

    def add_rows(self, keys: Packed) -> NDArray[np.int64]:
        """Return the row of each of some user ids, [n]: a new one where there is none."""
        first, rows, end = len(self), self.index.add(keys), len(self)
        if end > self._room:
            self._grow(max(256, end, self._room + self._room // 8))
        self.network[first:end] = network_numbers(self.index.network_digests(first))
        self.large[first:end] = -1
        self.emitted[first:end] = np.nan
        return rows

    def _grow(self, room: int) -> None:
        for name in ("network", "large", "last", "emitted", "generation", "dirty", "owed"):
            column = getattr(self, name)
            grown = np.zeros(room, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)
        if self.applied is not None:
            applied = np.zeros((room, len(SOURCES)), np.int64)
            applied[: len(self.applied)] = self.applied
            self.applied = applied
        self.small_rows.make_room(room)
        self.spikes.grow(room)
        self._room = room

    def _fates_of(self, source: int, decoded: Scanned, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Count the fates, and return which events are to be applied now."""
        offsets, seconds = decoded.records.offsets[decoded.places], decoded.times // 1000
        duplicate = self._repeated(source, decoded, seconds)
        oldest = (self.windows.head(QUARTER, self.as_of // 1000) - SLICES + 1) * self.windows.slice_seconds[QUARTER]
        late = ~duplicate & (seconds < oldest)
        take = ~(duplicate | late)
        self._count(source, APPLIED, offsets[take])
        self._count(source, LATE, offsets[late])
        self._count(source, DUPLICATE, offsets[duplicate])
        if self.applied is not None:
            absorbed = offsets < self.applied[rows, source]
            take &= ~absorbed
            # The crash may have come between the flush and the emission.
            self.owed[rows[absorbed]] = True
        return take

    def _gather(self, source: int, rows: NDArray[np.int64], events: NDArray[np.void], take: NDArray[np.bool_]) -> None:
        if not take.all():
            places = np.flatnonzero(take)
            rows, events = rows[places], events.take(places)
        if not len(rows):
            return
        self._gathered.add(source, rows, events)
        if len(self._gathered) >= GATHERED:
            self._stage()
            if self._waiting >= STAGED:
                self._apply_staged()

    def _stage(self) -> None:
        """Pack what was gathered."""
        if not len(self._gathered):
            return
        kinds, rows, events = self._gathered.take()
        engaged = np.flatnonzero(kinds < POSTS)
        np.maximum.at(self.last, rows[engaged], events["time"][engaged])
        self._staged.append((rows, pack(events, kinds, self.network[rows].astype(np.int64))))
        self._waiting += len(rows)
        self.dirty[rows] = True
        self.owed[rows] = True

    def _count(self, source: int, fate: int, offsets: NDArray[np.int64]) -> None:
        # A record that was counted before a crash keeps the fate it had.
        if len(offsets):
            self.fates[fate] += int(np.count_nonzero(offsets >= self.counted[source]))

    # -- settling

    def rows_ahead(self) -> NDArray[np.bool_]:
        """
        Return bool[rows]: of which ones more may have been told than `positions` say.

        After a crash between a flush and the commit, until what was folded then is read again.
        """
        n = len(self)
        if self.is_behind:
            return np.ones(n, np.bool_)
        if self.applied is None:
            return np.zeros(n, np.bool_)
        ahead: NDArray[np.bool_] = np.any(self.applied[:n] > self.positions, axis=1)
        return ahead

    def settle(self) -> None:
        """Apply what is staged: afterwards the rows are the log's up to `positions`."""
        self._stage()
        self._apply_staged()
        self.large_rows.settle()
        self.spikes.pass_time(self.as_of // 1000)
        self.dirty[self.spikes.tell(self.ids, self.version)] = True

    def _apply_staged(self) -> None:
        self.large_rows.advance(self.as_of // 1000)
        if not self._waiting:
            return
        self._apply_said()
        runs, records = zip(*self._staged, strict=True)
        rows, packed = np.concatenate(runs), joined(records)
        self._staged, self._waiting = [], 0
        order = sorting(rows)
        rows, packed = rows[order], packed.take(order)
        self.spikes.fold(rows, packed, self.as_of // 1000, self._past, self._kept)
        is_small = self.large[rows] < 0
        small, big = np.flatnonzero(is_small), np.flatnonzero(~is_small)
        if len(big):
            self.large_rows.add(self.large[rows[big]].astype(np.int64), packed.take(big))
        if len(small):
            touched = self.small_rows.add(rows[small], packed.take(small))
            crowded = touched[self.small_rows.events.lengths[touched] > SMALL_LIMIT]
            if len(crowded):
                self._make_large(crowded)

    def _past(self, rows: NDArray[np.int64]) -> Past:
        """Return what rows had before what is staged."""
        return past_of(self.large[rows], self.large_rows, self.small_rows, rows, self.as_of // 1000)

    def _kept(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.void]]:
        """Return how many events rows keep from before what is staged, and these; a large row keeps none."""
        events = self.small_rows.events
        return events.lengths[rows].astype(np.int64), events.gather(rows)

    def _apply_said(self) -> None:
        if not self._said:
            return
        said = Said.joined(self._said)
        self._said = []
        if said.is_kept.any():
            self.small_rows.add_lines(*said.kept())
        for row, time, weight, is_named, line in said.evidence():
            if weight:
                self.evidence[row].add(line)
                if line.target:
                    self.moments.add(row, line.target, time, weight)
            if is_named:
                self.spikes.name(row, line)

    def _make_large(self, rows: NDArray[np.int64]) -> None:
        packed, lengths = self.small_rows.events.gather(rows), self.small_rows.events.lengths[rows]
        texts = self.small_rows.texts(rows)
        large = self.large_rows.add_rows(len(rows))
        self.large[rows] = large
        self.large_rows.add(np.repeat(large, lengths), packed)
        ends = np.cumsum(lengths).tolist()
        for row, text, start, end in zip(rows.tolist(), texts, [0, *ends], ends, strict=False):
            lines, events = read_lines(text), packed[start:end]
            self.evidence[row] = Evidence.of_small(lines, events)
            self.moments.begin(row, timed(lines, events))
        self.small_rows.clear(rows)
