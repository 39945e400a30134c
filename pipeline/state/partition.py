"""
One partition of the engagement table: rows of accounts in columns, folded from the log.

The state is a pure function of the log's records, whatever the batches: no clock, no look-up, no randomness.
`fold` stages a run of records; `settle` applies what is staged, so that arrays are touched once for many runs.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.spikes import SPIKES, SpikeConfig
from pipeline.scoring.windows import QUARTER, SLICES, WINDOWS, Windows
from pipeline.state import events as ev
from pipeline.state.columns import Columns, EngagementColumns, PostColumns, ProfileColumns, TickColumns
from pipeline.state.decisions import Decisions
from pipeline.state.decode import Decoded, Decoder
from pipeline.state.evidence import Evidence
from pipeline.state.history import past_of
from pipeline.state.horizon import HeldIds, IdHorizon
from pipeline.state.large import LargeRows
from pipeline.state.lines import lines_of
from pipeline.state.linking import Linking
from pipeline.state.links import fold_contributions, fold_identities
from pipeline.state.packing import pack_engagements, pack_posts
from pipeline.state.profiles import Profiles
from pipeline.state.records import Records, Refusal
from pipeline.state.sections import Section
from pipeline.state.slabs import ranges
from pipeline.state.small import SmallRows
from pipeline.state.sources import IDENTITIES, KIND_OF_SOURCE, POSTS, PROFILES, SOURCES, TICKS
from pipeline.state.spike_rows import SpikeRows
from pipeline.state.watches import Past
from schemas import Engagement, Post, Profile, Tick, is_user_id, network_of

SMALL_LIMIT: Final = 64
"""Events a row keeps as they came; with more it becomes large. No more than a sample holds, so both tell the same."""

EVIDENCE_A_RUN: Final = 128
"""Events of large rows that evidence takes of a run; of more (a replay at full speed) it takes an even sample."""

STAGED: Final = 16_384
"""Events staged before they are applied: many for one array operation, few enough to stay in the processor's cache."""

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


_C = TypeVar("_C", bound=Columns)


class Partition:
    """The rows of one partition and the position to which each input topic has been folded."""

    version_before: int = 0
    """The greatest version of earlier logs; 0 where this log is the first."""

    def __init__(self, number: int, config: StateConfig | None = None, decisions: Decisions | None = None) -> None:
        self.number = number
        self.decisions = Decisions() if decisions is None else decisions
        self.config = config or StateConfig()
        self.windows = self.config.windows
        self.positions = np.zeros(len(SOURCES), np.int64)
        """The next offset of each source."""
        self.as_of = 0
        """The greatest event time or tick folded, Unix ms."""
        self.fates = np.zeros(len(FATES), np.int64)
        self.counted = np.zeros(len(SOURCES), np.int64)
        """The positions up to which `fates` had counted when they were restored."""
        self.index: dict[bytes, int] = {}
        self.ids: list[bytes] = []
        self.small_rows = SmallRows()
        self.profiles = Profiles()
        self.linking = Linking()
        self.spikes = SpikeRows(self.config.spikes)
        self.sections: tuple[Section, ...] = (self.profiles, self.linking, self.spikes)
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
        self.writer = 0
        """Stands in every row that this owner writes: greater than any owner's before."""
        self.dirty = np.zeros(0, np.bool_)
        """What changed since it was last flushed."""
        self.owed = np.zeros(0, np.bool_)
        """What changed since it was last emitted."""
        self.applied: NDArray[np.int64] | None = None
        """[rows, sources] the position each row has absorbed, while restored rows are ahead of `positions`."""
        self.ahead = np.zeros(len(SOURCES), np.int64)
        """The greatest of `applied`, by source."""
        self.horizons = [
            IdHorizon(self.config.dedupe_seconds, max(1, self.config.dedupe_ids // 4)) for _ in range(PROFILES)
        ]
        self._log_time = [0] * len(SOURCES)
        limit = self.config.record_limit
        self._engagements = {
            source: Decoder(Engagement, EngagementColumns, limit, kind=kind) for source, kind in KIND_OF_SOURCE.items()
        }
        self._posts, self._profiles = Decoder(Post, PostColumns, limit), Decoder(Profile, ProfileColumns, limit)
        self._ticks = Decoder(Tick, TickColumns, limit)
        self._staged_rows: list[NDArray[np.int64]] = []
        self._staged: list[NDArray[np.void]] = []
        self._staged_lines: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.void]]] = []
        self._waiting = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    @property
    def version(self) -> int:
        """Return the sum of the offsets folded, over all input topics and logs."""
        return self.version_before + int(self.positions.sum())

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
        written = max(self.writer, int(self.generation[: len(self)].max(initial=0)))
        self.writer = written + max(1, generation)

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
                refusals = self._fold_engagements(source, self._engagements[source].decode(records))
            elif source == POSTS:
                refusals = self._fold_posts(self._posts.decode(records))
            elif source == PROFILES:
                refusals = self._fold_profiles(self._profiles.decode(records))
            elif source == TICKS:
                refusals = self._fold_ticks(self._ticks.decode(records))
            else:
                refusals = self._fold_links(source, records)
            self._count(source, DEAD, np.array([refusal.offset for refusal in refusals], np.int64))
        self.positions[source] = records.end
        if self.applied is not None and (self.ahead <= self.positions).all():
            self.applied = None
        return refusals

    def _fold_engagements(self, source: int, decoded: Decoded[EngagementColumns]) -> list[Refusal]:
        decoded, time = self._in_time(decoded)
        if self.decisions:
            decoded, time = self._without_forgotten(source, decoded, time)
            self.decisions.trust(decoded.columns)
        rows = self._rows_of(decoded)
        if rows is None:
            return self._fold_engagements(source, _without_bad_users(decoded))
        if not len(rows):
            return decoded.refusals
        columns = decoded.columns
        undo = np.array(columns.undo, np.bool_)
        offsets = np.array(decoded.offsets, np.int64)
        fates = self._fates_of(source, columns.ids, undo, rows, offsets, time)
        packed = pack_engagements(columns, source, time, self.network[rows].astype(np.int64), undo)
        shown = fates.take & ~undo
        if self.decisions:
            fates.take[self.decisions.is_blocked(columns, time)] = False
            shown &= fates.take & ~self.decisions.is_hidden(columns)
        np.maximum.at(self.last, rows[fates.take], time[fates.take])
        self._keep_evidence(columns, rows, shown)
        self._stage(rows, packed, fates.take)
        self._count_fates(source, offsets, fates)
        return decoded.refusals

    def remember(self, source: int, records: Records) -> None:
        """
        Take up the ids of records that were folded before a restart, so that their repeats are found.

        Args:
            source: One of the engagement topics or the posts.
            records: A run of it, below the position where the fold goes on.
        """
        as_of = self.as_of
        columns: EngagementColumns | PostColumns
        if source < POSTS:
            engagements, time = self._in_time(self._engagements[source].decode(records))
            columns, offsets = engagements.columns, engagements.offsets
        else:
            posts, time = self._in_time(self._posts.decode(records))
            columns, offsets = posts.columns, posts.offsets
        self.as_of = as_of
        if len(time):
            self._repeated(source, columns.ids, np.array(columns.undo, np.bool_), np.array(offsets, np.int64), time)

    def hold_ids(self, source: int, held: HeldIds, position: int) -> None:
        """Begin with ids that stood before `position` of a source, maybe in an earlier log."""
        self.horizons[source].put_in(held, position)
        self._log_time[source] = self.horizons[source].time

    def _repeated(
        self,
        source: int,
        ids: list[bytes],
        undo: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        time: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        digests = ev.digests(ids).reshape(-1, 2)
        if undo.any():
            digests = digests ^ undo.astype(np.uint64)[:, None]
        log_time = np.maximum.accumulate(np.maximum(time // 1000, self._log_time[source]))
        self._log_time[source] = int(log_time[-1])
        return self.horizons[source].add(digests, offsets, log_time)

    def _fold_posts(self, decoded: Decoded[PostColumns]) -> list[Refusal]:
        decoded, time = self._in_time(decoded)
        if self.decisions:
            decoded, time = self._without_forgotten(POSTS, decoded, time)
        rows = self._rows_of(decoded)
        if rows is None:
            return self._fold_posts(_without_bad_users(decoded))
        if not len(rows):
            return decoded.refusals
        undo = np.array(decoded.columns.undo, np.bool_)
        offsets = np.array(decoded.offsets, np.int64)
        fates = self._fates_of(POSTS, decoded.columns.ids, undo, rows, offsets, time)
        self._stage(rows, pack_posts(time, undo), fates.take)
        self._count_fates(POSTS, offsets, fates)
        return decoded.refusals

    def _fold_profiles(self, decoded: Decoded[ProfileColumns]) -> list[Refusal]:
        decoded, time = self._in_time(decoded)
        if self.decisions:
            decoded, _ = self._without_forgotten(PROFILES, decoded, time)
        rows = self._rows_of(decoded)
        if rows is None:
            return self._fold_profiles(_without_bad_users(decoded))
        offsets = np.array(decoded.offsets, np.int64)
        older = np.zeros(len(rows), np.bool_)
        for i, (row, profile) in enumerate(zip(rows.tolist(), decoded.columns.profiles, strict=True)):
            held = self.profiles.get(row)
            older[i] = held is not None and held.time > profile.time
            if not older[i]:
                self.profiles.put(row, profile)
                self.dirty[row] = self.owed[row] = True
        self._count(PROFILES, APPLIED, offsets[~older])
        self._count(PROFILES, LATE, offsets[older])
        return decoded.refusals

    def _fold_ticks(self, decoded: Decoded[TickColumns]) -> list[Refusal]:
        decoded, _ = self._in_time(decoded)
        self._count(TICKS, APPLIED, np.array(decoded.offsets, np.int64))
        return decoded.refusals

    def _fold_links(self, source: int, records: Records) -> list[Refusal]:
        limit, future_ms = self.config.record_limit, self.config.future_ms
        if self.decisions.forgotten:
            kept = [i for i, key in enumerate(records.keys) if not self.decisions.is_forgotten_key(key)]
            others = np.setdiff1d(np.array(records.offsets, np.int64), [records.offsets[i] for i in kept])
            self._count(source, FORGOTTEN, others)
            records = records.pick(kept)
        if source == IDENTITIES:
            folded = fold_identities(self, records, limit, future_ms)
        else:
            folded = fold_contributions(self, records, limit)
        fates = ((APPLIED, folded.applied), (DUPLICATE, folded.duplicate), (LATE, folded.late))
        for fate, offsets in fates:
            self._count(source, fate, np.array(offsets, np.int64))
        return folded.refusals

    def _in_time(self, decoded: Decoded[_C]) -> tuple[Decoded[_C], NDArray[np.int64]]:
        """Refuse what lies too far in the future, and move `as_of` on by the rest."""
        times = decoded.columns.times
        try:
            time = np.array(times, np.int64)
        except OverflowError:
            time = np.array([min(ms, 1 << 62) for ms in times], np.int64)
        limit = np.minimum(np.array(decoded.timestamps, np.int64) + self.config.future_ms, ev.TIME_LAST_MS)
        ahead = time > limit
        if ahead.any():
            for i in np.flatnonzero(ahead).tolist():
                detail = f"event time {time[i]} is {(time[i] - limit[i]) // 1000} s past the limit"
                decoded.refusals.append(Refusal(decoded.offsets[i], decoded.values[i], "future_time", detail))
            decoded = decoded.select(np.flatnonzero(~ahead).tolist())
            time = time[~ahead]
        if len(time):
            self.as_of = max(self.as_of, int(time.max()))
        return decoded, time

    def _without_forgotten(
        self, source: int, decoded: Decoded[_C], time: NDArray[np.int64]
    ) -> tuple[Decoded[_C], NDArray[np.int64]]:
        """Leave out what is of forgotten users, and count it."""
        gone = self.decisions.is_forgotten(decoded.columns, time)
        if not gone.any():
            return decoded, time
        self._count(source, FORGOTTEN, np.array(decoded.offsets, np.int64)[gone])
        return decoded.select(np.flatnonzero(~gone).tolist()), time[~gone]

    def _rows_of(self, decoded: Decoded[_C]) -> NDArray[np.int64] | None:
        """Return the rows of the events' users, new ones where there are none; None if a user's id is none."""
        found = list(map(self.index.get, decoded.keys))
        if None in found:
            places = [i for i, row in enumerate(found) if row is None]
            users = decoded.columns.users
            if not all(is_user_id(users[i]) for i in places):
                return None
            self.add_rows(list(dict.fromkeys(decoded.keys[i] for i in places)))
            found = list(map(self.index.get, decoded.keys))
        return np.array(found, np.int64)

    def add_rows(self, keys: list[bytes]) -> None:
        """Make a row for each of some user ids that have none."""
        first, end = len(self.ids), len(self.ids) + len(keys)
        if end > self._room:
            self._grow(max(256, end, self._room + self._room // 2))
        self.index.update(zip(keys, range(first, end), strict=True))
        self.ids += keys
        self.network[first:end] = [weights.network_index(network_of(key.decode())) for key in keys]
        self.large[first:end] = -1
        self.emitted[first:end] = np.nan

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

    def _fates_of(
        self,
        source: int,
        ids: list[bytes],
        undo: NDArray[np.bool_],
        rows: NDArray[np.int64],
        offsets: NDArray[np.int64],
        time: NDArray[np.int64],
    ) -> "_Fates":
        seconds = time // 1000
        duplicate = self._repeated(source, ids, undo, offsets, time)
        oldest = (self.windows.head(QUARTER, self.as_of // 1000) - SLICES + 1) * self.windows.slice_seconds[QUARTER]
        late = ~duplicate & (seconds < oldest)
        take = ~duplicate & ~late
        if self.applied is not None:
            absorbed = offsets < self.applied[rows, source]
            take &= ~absorbed
            # The crash may have come between the flush and the emission.
            self.owed[rows[absorbed]] = True
        return _Fates(take, duplicate, late)

    def _keep_evidence(self, columns: EngagementColumns, rows: NDArray[np.int64], take: NDArray[np.bool_]) -> None:
        """Take what is text at once, so that the decoded records need not wait in memory."""
        is_small = self.large[rows] < 0
        small = np.flatnonzero(take & is_small)
        if len(small):
            self._staged_lines.append((rows[small], *lines_of(columns, small.tolist())))
        big = np.flatnonzero(take & ~is_small)
        if len(big):
            big = big[:: -(-len(big) // EVIDENCE_A_RUN)]
            for row, i in zip(rows[big].tolist(), big.tolist(), strict=True):
                self.evidence[row].add(columns.actors[i], columns.objects[i], columns.tags[i])
        spiking = np.flatnonzero(take & self.spikes.is_collecting[rows])
        if len(spiking):
            spiking = spiking[:: -(-len(spiking) // EVIDENCE_A_RUN)]
            for row, i in zip(rows[spiking].tolist(), spiking.tolist(), strict=True):
                self.spikes.name(row, columns.actors[i], columns.objects[i])

    def _stage(self, rows: NDArray[np.int64], packed: NDArray[np.void], take: NDArray[np.bool_]) -> None:
        if not take.all():
            places = np.flatnonzero(take)
            rows, packed = rows[places], packed.take(places)
        self._staged_rows.append(rows)
        self._staged.append(packed)
        self._waiting += len(rows)
        self.dirty[rows] = True
        self.owed[rows] = True
        if self._waiting >= STAGED:
            self._apply_staged()

    def _count_fates(self, source: int, offsets: NDArray[np.int64], fates: "_Fates") -> None:
        self._count(source, APPLIED, offsets[~fates.duplicate & ~fates.late])
        self._count(source, LATE, offsets[fates.late])
        self._count(source, DUPLICATE, offsets[fates.duplicate])

    def _count(self, source: int, fate: int, offsets: NDArray[np.int64]) -> None:
        # A record that was counted before a crash keeps the fate it had.
        self.fates[fate] += int(np.count_nonzero(offsets >= self.counted[source]))

    # -- settling

    def settle(self) -> None:
        """Apply what is staged: afterwards the rows are the log's up to `positions`."""
        self._apply_staged()
        self.large_rows.settle()
        self.spikes.pass_time(self.as_of // 1000)
        self.dirty[self.spikes.tell(self.ids, self.version)] = True

    def _apply_staged(self) -> None:
        self.large_rows.advance(self.as_of // 1000)
        if not self._waiting:
            return
        rows, packed = np.concatenate(self._staged_rows), np.concatenate(self._staged)
        self._staged_rows, self._staged, self._waiting = [], [], 0
        order = np.argsort(rows, kind="stable")
        rows, packed = rows[order], packed.take(order)
        self.spikes.fold(rows, packed, self.as_of // 1000, self._past, self._kept)
        is_small = self.large[rows] < 0
        small, big = np.flatnonzero(is_small), np.flatnonzero(~is_small)
        if len(big):
            self.large_rows.add(self.large[rows[big]].astype(np.int64), packed.take(big))
        self._apply_lines()
        if len(small):
            touched = self.small_rows.add(rows[small], packed.take(small))
            crowded = touched[self.small_rows.events.lengths[touched] > SMALL_LIMIT]
            if len(crowded):
                self._make_large(crowded)

    def _past(self, rows: NDArray[np.int64]) -> Past:
        """Return what rows had before what is staged."""
        return past_of(self.large[rows], self.large_rows, self.small_rows, rows, self.as_of // 1000)

    def _kept(self, row: int) -> NDArray[np.void]:
        """Return the events of a row before what is staged; a large one keeps none."""
        return self.small_rows.events.gather(np.array([row]))

    def _apply_lines(self) -> None:
        if not self._staged_lines:
            return
        rows, counts, units = map(np.concatenate, zip(*self._staged_lines, strict=True))
        self._staged_lines = []
        order = np.argsort(rows, kind="stable")
        starts = np.cumsum(counts) - counts
        units = units.take(ranges(starts[order], counts[order]))
        self.small_rows.add_lines(rows[order], counts[order], units)

    def _make_large(self, rows: NDArray[np.int64]) -> None:
        packed, lengths = self.small_rows.events.gather(rows), self.small_rows.events.lengths[rows]
        texts = self.small_rows.texts(rows)
        large = self.large_rows.add_rows(len(rows))
        self.large[rows] = large
        self.large_rows.add(np.repeat(large, lengths), packed)
        ends = np.cumsum(lengths).tolist()
        for row, text, start, end in zip(rows.tolist(), texts, [0, *ends], ends, strict=False):
            self.evidence[row] = Evidence.of_small(text, packed[start:end])
        self.small_rows.clear(rows)


@dataclass(frozen=True, slots=True)
class _Fates:
    """Which events of a run count now, and which were duplicates or late; the rest was absorbed before a crash."""

    take: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    late: NDArray[np.bool_]


def _without_bad_users(decoded: Decoded[_C]) -> Decoded[_C]:
    """Refuse the events whose user id has no network or no native id."""
    users = decoded.columns.users
    for i, user in enumerate(users):
        if not is_user_id(user):
            detail = f"{user!r} is not network:native-id"
            decoded.refusals.append(Refusal(decoded.offsets[i], decoded.values[i], "invalid_user", detail))
    return decoded.select([i for i, user in enumerate(users) if is_user_id(user)])
