"""
One partition of the engagement table: rows of accounts in columns, folded from the log.

The state is a pure function of the log's records, whatever the batches: no clock, no look-up, no randomness.
`fold` stages a run of records; `settle` applies what is staged, so that arrays are touched once for many runs.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.windows import QUARTER, SLICES, WINDOWS, Windows
from pipeline.state import events as ev
from pipeline.state.decode import Decoded, Decoder
from pipeline.state.events import EVENT
from pipeline.state.evidence import FIELD, Evidence
from pipeline.state.horizon import IdHorizon
from pipeline.state.large import LargeRows
from pipeline.state.records import Records, Refusal
from pipeline.state.sources import KIND_OF_SOURCE, POST_KIND, POSTS, PROFILES, SOURCES
from schemas import Engagement, Post, Profile, Tick, is_user_id, network_of

SMALL_LIMIT: Final = 32
"""Events a row keeps as they came; with more it becomes large. No more than a sample holds, so both tell the same."""

EVIDENCE_A_SETTLE: Final = 64
"""Lines that a large row's evidence takes a settle; of more it takes an even sample."""

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


_E = TypeVar("_E", Engagement, Post, Profile, Tick)
_PROFILE: Final = msgspec.json.Decoder(Profile)
_ENCODER: Final = msgspec.json.Encoder()


class Partition:
    """The rows of one partition and the position to which each input topic has been folded."""

    def __init__(self, number: int, config: StateConfig | None = None) -> None:
        self.number = number
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
        self.events: list[bytes] = []
        """Packed `EVENT` records of each small row; b"" for a large one."""
        self.lines: list[bytes] = []
        """A line of evidence for each event of a small row."""
        self.profiles: dict[int, bytes] = {}
        self.followers: dict[int, int] = {}
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
        self.horizons = [
            IdHorizon(self.config.dedupe_seconds, max(1, self.config.dedupe_ids // 4)) for _ in range(PROFILES)
        ]
        self._log_time = [0] * len(SOURCES)
        limit = self.config.record_limit
        self._engagements = {
            source: Decoder(Engagement, limit, key=_target, kind=kind) for source, kind in KIND_OF_SOURCE.items()
        }
        self._posts = Decoder(Post, limit, key=_author)
        self._profiles = Decoder(Profile, limit, key=_user)
        self._ticks = Decoder(Tick, limit)
        self._staged_rows: list[NDArray[np.int64]] = []
        self._staged: list[NDArray[np.void]] = []
        self._staged_lines: list[str] = []

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    @property
    def version(self) -> int:
        """Return the sum of the offsets folded, over all input topics."""
        return int(self.positions.sum())

    @property
    def room(self) -> int:
        """Return the number of rows that the columns have room for."""
        return self._room

    @property
    def staged(self) -> int:
        """Return the number of events that wait for `settle`."""
        return sum(map(len, self._staged))

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
            else:
                refusals = self._fold_ticks(self._ticks.decode(records))
            self._count(source, DEAD, np.array([refusal.offset for refusal in refusals], np.int64))
        self.positions[source] = records.end
        if self.applied is not None and (self.applied <= self.positions).all():
            self.applied = None
        return refusals

    def _fold_engagements(self, source: int, decoded: Decoded[Engagement]) -> list[Refusal]:
        decoded, time = self._in_time(decoded)
        events = decoded.events
        n = len(events)
        if not n:
            return decoded.refusals
        offsets = np.array(decoded.offsets, np.int64)
        targets = [e.target for e in events]
        rows, decoded_ok = self._rows_of(targets)
        if not decoded_ok:
            return self._fold_engagements(source, _without_bad_users(decoded, targets))
        flags = np.array([e.undo for e in events], np.bool_)
        actors = [e.actor for e in events]
        fates = self._fates_of(source, [e.id for e in events], flags, rows, offsets, time)
        packed = np.zeros(n, EVENT)
        packed["actor"] = ev.actor_digests(actors)
        seconds = time // 1000
        packed["time"] = seconds
        packed["kind"] = source
        marks = flags.astype(np.uint8)
        mutual = [e.mutual for e in events]
        if mutual.count(None) + mutual.count(False) != n:  # noqa: FBT003
            marks |= np.array([m is True for m in mutual], np.uint8) * np.uint8(ev.MUTUAL)
        own = np.array([actor == target for actor, target in zip(actors, targets, strict=True)], np.bool_)
        marks[own] |= ev.SELF
        packed["flags"] = marks
        nth = self._stamp([e.actor_nth for e in events], ev.NTH_LAST, weights.NO_STAMP)
        worth = weights.worth(self.network[rows].astype(np.int64), packed["kind"].astype(np.int64), nth)
        worth[own] = 0
        packed["worth"] = np.where(flags, -worth, worth)
        packed["nth"] = np.where(nth < 0, ev.NTH_UNKNOWN, nth)
        packed["age"] = self._ages([e.actor_since for e in events], time)
        packed["score"] = self._scores([e.actor_score for e in events])
        lines = [f"{e.actor}{FIELD}{e.object or ''}{FIELD}{','.join(e.tags) if e.tags else ''}" for e in events]
        if "".join(lines).count(FIELD) != 2 * n or any("\n" in text for text in lines):
            lines = [_clean(e) for e in events]
        take = fates.take
        np.maximum.at(self.last, rows[take], time[take])
        self._stage(rows, packed, lines, take)
        self._count_fates(source, offsets, fates)
        return decoded.refusals

    def _fold_posts(self, decoded: Decoded[Post]) -> list[Refusal]:
        decoded, time = self._in_time(decoded)
        posts = decoded.events
        n = len(posts)
        if not n:
            return decoded.refusals
        offsets = np.array(decoded.offsets, np.int64)
        authors = [post.author for post in posts]
        rows, decoded_ok = self._rows_of(authors)
        if not decoded_ok:
            return self._fold_posts(_without_bad_users(decoded, authors))
        undo = np.array([post.undo for post in posts], np.bool_)
        fates = self._fates_of(POSTS, [post.id for post in posts], undo, rows, offsets, time)
        packed = np.zeros(n, EVENT)
        packed["time"] = time // 1000
        packed["kind"] = POST_KIND
        packed["flags"] = undo
        self._stage(rows, packed, [""] * n, fates.take)
        self._count_fates(POSTS, offsets, fates)
        return decoded.refusals

    def _fold_profiles(self, decoded: Decoded[Profile]) -> list[Refusal]:
        decoded, _ = self._in_time(decoded)
        users = [profile.user for profile in decoded.events]
        rows, decoded_ok = self._rows_of(users)
        if not decoded_ok:
            return self._fold_profiles(_without_bad_users(decoded, users))
        offsets = np.array(decoded.offsets, np.int64)
        older = np.zeros(len(users), np.bool_)
        for i, (row, profile) in enumerate(zip(rows.tolist(), decoded.events, strict=True)):
            held = self.profile(row)
            older[i] = held is not None and held.time > profile.time
            if not older[i]:
                self.set_profile(row, profile)
                self.dirty[row] = self.owed[row] = True
        self._count(PROFILES, APPLIED, offsets[~older])
        self._count(PROFILES, LATE, offsets[older])
        return decoded.refusals

    def _fold_ticks(self, decoded: Decoded[Tick]) -> list[Refusal]:
        decoded, _ = self._in_time(decoded)
        self._count(SOURCES.index("ticks"), APPLIED, np.array(decoded.offsets, np.int64))
        return decoded.refusals

    def set_profile(self, row: int, profile: Profile) -> None:
        """Keep what an account says of itself."""
        self.profiles[row] = _ENCODER.encode(profile)
        if profile.followers is not None:
            # Absurd counts are the model's to judge, but they must fit.
            self.followers[row] = max(-1, min(profile.followers, 1 << 62))

    def profile(self, row: int) -> Profile | None:
        """Return what an account says of itself."""
        held = self.profiles.get(row)
        return _PROFILE.decode(held) if held is not None else None

    def _in_time(self, decoded: "Decoded[_E]") -> "tuple[Decoded[_E], NDArray[np.int64]]":
        """Refuse what lies too far in the future, and move `as_of` on by the rest."""
        try:
            time = np.array([e.time for e in decoded.events], np.int64)
        except OverflowError:
            time = np.array([min(e.time, 1 << 62) for e in decoded.events], np.int64)
        limit = np.array(decoded.timestamps, np.int64) + self.config.future_ms
        ahead = time > limit
        if ahead.any():
            for i in np.flatnonzero(ahead).tolist():
                detail = f"event time {time[i]} is {(time[i] - limit[i]) // 1000} s past the limit"
                decoded.refusals.append(Refusal(decoded.offsets[i], decoded.values[i], "future_time", detail))
            keep = np.flatnonzero(~ahead).tolist()
            decoded = _only(decoded, keep)
            time = time[~ahead]
        if len(time):
            self.as_of = max(self.as_of, int(time.max()))
        return decoded, time

    def _rows_of(self, users: list[str]) -> tuple[NDArray[np.int64], bool]:
        index = self.index
        found = list(map(index.get, map(str.encode, users)))
        if None in found:
            for i, row in enumerate(found):
                if row is None:
                    user = users[i]
                    if not is_user_id(user):
                        return np.zeros(0, np.int64), False
                    found[i] = self.add_row(user.encode())
        return np.array(found, np.int64), True

    def add_row(self, key: bytes) -> int:
        """Return the row of a user id, a new one if there is none."""
        held = self.index.get(key)
        if held is not None:
            return held
        row = len(self.ids)
        if row == self._room:
            self._grow(max(256, row + row // 2))
        self.index[key] = row
        self.ids.append(key)
        self.events.append(b"")
        self.lines.append(b"")
        self.network[row] = weights.network_index(network_of(key.decode()))
        self.large[row] = -1
        self.emitted[row] = np.nan
        if self.applied is not None:
            self.applied[row] = 0
        return row

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
        self._room = room

    def _fates_of(
        self,
        source: int,
        ids: list[str],
        undo: NDArray[np.bool_],
        rows: NDArray[np.int64],
        offsets: NDArray[np.int64],
        time: NDArray[np.int64],
    ) -> "_Fates":
        digests = ev.id_digests(ids)
        if undo.any():
            digests = digests ^ undo.astype(np.uint64)[:, None]
        seconds = time // 1000
        log_time = np.maximum.accumulate(np.maximum(seconds, self._log_time[source]))
        self._log_time[source] = int(log_time[-1])
        duplicate = self.horizons[source].add(digests, offsets, log_time)
        oldest = (self.windows.head(QUARTER, self.as_of // 1000) - SLICES + 1) * self.windows.slice_seconds[QUARTER]
        late = ~duplicate & (seconds < oldest)
        take = ~duplicate & ~late
        if self.applied is not None:
            absorbed = offsets < self.applied[rows, source]
            take &= ~absorbed
            # The crash may have come between the flush and the emission.
            self.owed[rows[absorbed]] = True
        return _Fates(take, duplicate, late)

    def _stage(
        self, rows: NDArray[np.int64], packed: NDArray[np.void], lines: list[str], take: NDArray[np.bool_]
    ) -> None:
        if not take.all():
            kept = np.flatnonzero(take)
            rows, packed = rows[kept], packed[kept]
            lines = [lines[i] for i in kept.tolist()]
        self._staged_rows.append(rows)
        self._staged.append(packed)
        self._staged_lines.extend(lines)
        self.dirty[rows] = True
        self.owed[rows] = True

    def _count_fates(self, source: int, offsets: NDArray[np.int64], fates: "_Fates") -> None:
        self._count(source, APPLIED, offsets[~fates.duplicate & ~fates.late])
        self._count(source, LATE, offsets[fates.late])
        self._count(source, DUPLICATE, offsets[fates.duplicate])

    def _count(self, source: int, fate: int, offsets: NDArray[np.int64]) -> None:
        # A record that was counted before a crash keeps the fate it had.
        self.fates[fate] += int(np.count_nonzero(offsets >= self.counted[source]))

    @staticmethod
    def _stamp(values: list[int | None], greatest: int, missing: int) -> NDArray[np.int64]:
        known = [missing if value is None else value if value < greatest else greatest for value in values]
        return np.array(known, np.int64)

    @staticmethod
    def _ages(since: list[int | None], time: NDArray[np.int64]) -> NDArray[np.int64]:
        if since.count(None) == len(since):
            return np.zeros(len(since), np.int64)
        first = np.array([-1 if value is None else value if value < 1 << 62 else 1 << 62 for value in since], np.int64)
        days = np.clip((time - first) // 86_400_000, 0, ev.AGE_LAST - 1)
        return np.where(first < 0, 0, days + 1)

    @staticmethod
    def _scores(scores: list[float | None]) -> NDArray[np.int64]:
        if scores.count(None) == len(scores):
            return np.zeros(len(scores), np.int64)
        known = np.array([-1.0 if score is None else score for score in scores])
        return np.where(known < 0, 0, np.rint(known * 2).astype(np.int64) + 1)

    # -- settling

    def settle(self) -> None:
        """Apply what is staged: afterwards the rows are the log's up to `positions`."""
        self.large_rows.advance(self.as_of // 1000)
        if not self._staged:
            return
        rows = np.concatenate(self._staged_rows)
        packed = np.concatenate(self._staged)
        lines = self._staged_lines
        self._staged_rows, self._staged, self._staged_lines = [], [], []
        order = np.argsort(rows, kind="stable")
        rows, packed = rows[order], packed[order]
        is_small = self.large[rows] < 0
        if is_small.all():
            self._settle_small(rows, packed, lines, order)
            return
        self._settle_small(rows[is_small], packed[is_small], lines, order[is_small])
        self._settle_large(rows[~is_small], packed[~is_small], lines, order[~is_small])

    def _settle_small(
        self, rows: NDArray[np.int64], packed: NDArray[np.void], lines: list[str], order: NDArray[np.int64]
    ) -> None:
        if not len(rows):
            return
        touched, start = np.unique(rows, return_index=True)
        ends = np.append(start[1:], len(rows)).tolist()
        blob = packed.tobytes()
        size = EVENT.itemsize
        events, texts, order_list = self.events, self.lines, order.tolist()
        crowded: list[int] = []
        limit = SMALL_LIMIT * size
        for row, first, end in zip(touched.tolist(), start.tolist(), ends, strict=True):
            kept = events[row] + blob[first * size : end * size]
            events[row] = kept
            if end - first == 1:
                texts[row] += f"{lines[order_list[first]]}\n".encode()
            else:
                texts[row] += "".join([f"{lines[i]}\n" for i in order_list[first:end]]).encode()
            if len(kept) > limit:
                crowded.append(row)
        if crowded:
            self._make_large(np.array(crowded, np.int64))

    def _make_large(self, rows: NDArray[np.int64]) -> None:
        place, packed = ev.flatten([self.events[row] for row in rows.tolist()], EVENT)
        large = self.large_rows.add_rows(len(rows))
        self.large[rows] = large
        self.large_rows.add(large[place], packed)
        for row in rows.tolist():
            evidence = self.evidence[row] = Evidence()
            evidence.add(text for text in self.lines[row].decode().split("\n") if text)
            self.events[row] = self.lines[row] = b""

    def _settle_large(
        self, rows: NDArray[np.int64], packed: NDArray[np.void], lines: list[str], order: NDArray[np.int64]
    ) -> None:
        self.large_rows.add(self.large[rows].astype(np.int64), packed)
        touched, start = np.unique(rows, return_index=True)
        ends = np.append(start[1:], len(rows)).tolist()
        order_list = order.tolist()
        for row, first, end in zip(touched.tolist(), start.tolist(), ends, strict=True):
            step = max(1, (end - first) // EVIDENCE_A_SETTLE)
            self.evidence[row].add([text for i in order_list[first:end:step] if (text := lines[i])])


@dataclass(frozen=True, slots=True)
class _Fates:
    """Which events of a run count now, and which were duplicates or late; the rest was absorbed before a crash."""

    take: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    late: NDArray[np.bool_]


def _target(event: Engagement) -> str:
    return event.target


def _author(post: Post) -> str:
    return post.author


def _user(profile: Profile) -> str:
    return profile.user


def _clean(event: Engagement) -> str:
    """Return a line without the separators that stand in one of its fields."""
    fields = [event.actor, event.object or "", ",".join(event.tags) if event.tags else ""]
    return FIELD.join(field.replace(FIELD, " ").replace("\n", " ") for field in fields)


def _only(decoded: "Decoded[_E]", keep: list[int]) -> "Decoded[_E]":
    return Decoded(
        [decoded.events[i] for i in keep],
        [decoded.offsets[i] for i in keep],
        [decoded.timestamps[i] for i in keep],
        [decoded.values[i] for i in keep],
        decoded.refusals,
    )


def _without_bad_users(decoded: "Decoded[_E]", users: list[str]) -> "Decoded[_E]":
    """Refuse the events whose user id has no network or no native id."""
    keep = [i for i, user in enumerate(users) if is_user_id(user)]
    for i, user in enumerate(users):
        if not is_user_id(user):
            detail = f"{user!r} is not network:native-id"
            decoded.refusals.append(Refusal(decoded.offsets[i], decoded.values[i], "invalid_user", detail))
    return _only(decoded, keep)
