"""From a changelog back to a partition, a fetch at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError
from pipeline.state.codec import (
    LARGE,
    META_KEY,
    decode_large,
    decode_meta,
)
from pipeline.state.evidence import Evidence
from pipeline.state.forgetting import drop_rows
from pipeline.state.origin import ORIGIN_KEY, Origin, OriginIds, decode_origin, hold_ids
from pipeline.state.packed import Packed
from pipeline.state.partition import NO_ANCHORS, Partition
from pipeline.state.sections import restore_sections
from pipeline.state.sources import SOURCES
from pipeline.state.upgrade import upgraded
from pipeline.state.winners import Winners, own_records, rows_and_tombstones
from pipeline.state.written import WrittenRows


class Restore:
    """Rebuilds a partition from its changelog."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.origin_ids: list[OriginIds] = []
        """Of the log that this one began from."""
        self.is_known = False
        """Whether the partition's own record was among those added: no offset is committed before it is written."""
        self.overtaken_to = -1
        """The greatest sum of positions in records that lost to earlier ones, a zombie's; -1 where none did."""
        self._winners = Winners()
        self._planned = np.zeros(0, np.bool_)
        self._large: dict[int, _Large] = {}
        self._meta_generation = 0

    def add(self, keys: Packed, values: Packed) -> None:
        """
        Take records in the order of the log.

        Raises:
            ContractError: A record cannot be read.
            UnsupportedVersionError: A newer program wrote it.
        """
        part = self.partition
        if part.applied is None:
            part.applied = np.zeros((part.room, len(SOURCES)), np.int64)
        for i in np.flatnonzero(own_records(keys)).tolist():
            self._add_inner(keys[i] or b"", values[i] or b"")
        for places, tombstone in rows_and_tombstones(keys, values):
            if len(places):
                self._add_rows(keys.select(places), values.select(places))
            if tombstone is not None:
                self._drop(keys[tombstone] or b"")

    def _drop(self, key: bytes) -> None:
        rows = drop_rows(self.partition, [key.decode()])
        for row in rows.tolist():
            self._large.pop(row, None)
        self._winners.overwritten[rows] = False
        # Nothing is owed of it.
        self._planned[rows] = True

    def _add_inner(self, key: bytes, value: bytes) -> None:
        if key == META_KEY:
            self._add_meta(key, value)
        elif key.startswith(ORIGIN_KEY):
            self._add_origin(key, value)
        else:
            raise ContractError(
                f"the changelog's record {key!r} is neither a row nor anything else that was ever written"
            )

    def _add_origin(self, key: bytes, value: bytes) -> None:
        found = decode_origin(key, value)
        if isinstance(found, Origin):
            self.partition.version_before = found.version
        else:
            self.origin_ids.append(found)

    def _add_meta(self, key: bytes, value: bytes) -> None:
        part = self.partition
        read = decode_meta(key, value)
        if read.generation < self._meta_generation:
            self.overtaken_to = max(self.overtaken_to, sum(read.positions))
            return
        self.is_known = True
        self._meta_generation = part.writer = read.generation
        part.as_of = max(part.as_of, read.as_of)
        # A source that was added later has been folded to nowhere.
        part.counted[:] = 0
        part.counted[: len(read.positions)] = read.positions
        part.fates[:] = read.fates
        part.anchors[:] = NO_ANCHORS if read.anchors is None else read.anchors

    def _add_rows(self, keys: Packed, values: Packed) -> None:
        part, known = self.partition, len(self.partition)
        values = upgraded(keys, values)
        read = WrittenRows.of(keys, values)
        rows = part.add_rows(keys)
        self._make_room()
        winners = self._winners.choose(rows, read.headers["generation"], part.generation)
        if self._winners.overwritten[rows].any():
            lost = read.headers["generation"] < part.generation[rows]
            self.overtaken_to = max(self.overtaken_to, int(read.headers["positions"][lost].sum(axis=1).max(initial=-1)))
        rows, read = rows[winners], read.select(winners)
        before = rows[rows < known].tolist()
        for section in part.sections if before else ():
            section.forget(before)
        self._put(rows, read)

    def _make_room(self) -> None:
        room = self.partition.room
        if len(self._planned) < room:
            planned = np.zeros(room, np.bool_)
            planned[: len(self._planned)] = self._planned
            self._planned = planned
            self._winners.make_room(room)

    def _put(self, rows: NDArray[np.int64], read: WrittenRows) -> None:
        part, headers = self.partition, read.headers
        assert part.applied is not None
        part.as_of = max(part.as_of, int(headers["as_of"].max(initial=0)))
        part.last[rows] = headers["last"]
        part.emitted[rows] = headers["emitted"]
        part.applied[rows] = headers["positions"]
        self._planned[rows] = headers["planned"]
        bodies, texts, sections = read.parts()
        some = np.flatnonzero(sections.lengths)
        restore_sections(part.sections, read.keys.select(some), rows[some].tolist(), sections.select(some))
        is_large = headers["tier"] == LARGE
        small, large = np.flatnonzero(~is_large), np.flatnonzero(is_large)
        for row in rows[small].tolist() if self._large else ():
            self._large.pop(row, None)
        _check_lines(read.keys.select(small), texts.select(small))
        part.small_rows.replace(rows[small], bodies.select(small), texts.select(small))
        part.small_rows.clear(rows[large])
        for i in large.tolist():
            self._large[int(rows[i])] = _Large(int(headers["as_of"][i]), bodies[i] or b"", texts[i] or b"")

    def believed(self, committed: NDArray[np.int64]) -> NDArray[np.int64]:
        """
        Return committed offsets, int64[sources], as far as the last owner's rows go.

        An owner writes how far its rows are before it commits so far. Offsets beyond that are those of a worker that
        had just lost the partition, committed at a broker that did not refuse them; its rows have lost. Rows may be of
        a newer owner than the partition's own record, which is the last of a flush: then the least of theirs counts.
        """
        if not self.is_known:
            return committed
        part = self.partition
        believed = np.minimum(committed, part.counted)
        newer = np.flatnonzero(part.generation[: len(part)] > self._meta_generation)
        if part.applied is not None and len(newer):
            believed = np.minimum(believed, part.applied[newer].min(axis=0))
        return believed

    def finish(self, committed: NDArray[np.int64]) -> None:
        """
        End the recovery: the fold goes on at `committed`, as far as that is `believed`.

        Args:
            committed: int64[sources], the group's committed offsets; 0 where there is none.

        Raises:
            ContractError: A large row cannot be read.
        """
        part = self.partition
        committed = self.believed(committed)
        part.positions[:] = part.committed[:] = committed
        hold_ids(part, self.origin_ids, np.zeros(len(SOURCES), np.int64))
        self._place_large()
        part.large_rows.advance(part.as_of // 1000)
        if part.applied is None:
            return
        n = len(part)
        ahead: NDArray[np.bool_] = np.any(part.applied[:n] > committed, axis=1)
        part.ahead[:] = part.applied[:n].max(axis=0, initial=0)
        # A round commits after it has emitted: what it planned is out when its offsets are committed.
        part.owed[:n] = ~self._planned[:n] | ahead
        part.spikes.owe(ahead)
        part.dirty[:n] = self._winners.overwritten[:n]
        if not ahead.any():
            part.applied = None

    def _place_large(self) -> None:
        part = self.partition
        rows = np.array(list(self._large), np.int64)
        if not len(rows):
            return
        part.large_rows.advance(part.as_of // 1000)
        part.large[rows] = part.large_rows.add_rows(len(rows))
        held = list(self._large.values())
        try:
            counts, worth, thresholds, samples = decode_large([each.body for each in held])
            evidence = [Evidence.decode(each.text) for each in held]
        except ValueError as exc:
            raise ContractError(f"a large row of the changelog cannot be read: {self._broken()}: {exc}") from exc
        as_of = np.array([each.as_of for each in held], np.int64) // 1000
        part.large_rows.restore(part.large[rows].astype(np.int64), as_of, counts, worth, thresholds, samples)
        part.evidence.update(zip(rows.tolist(), evidence, strict=True))
        self._large.clear()

    def _broken(self) -> str:
        for row, each in self._large.items():
            try:
                decode_large([each.body])
                Evidence.decode(each.text)
            except ValueError:
                return repr(self.partition.ids[row])
        return "none by itself"


@dataclass(frozen=True, slots=True)
class _Large:
    """A large row, to be decoded when it is known that no later record of it counts."""

    as_of: int
    """Unix ms."""
    body: bytes
    text: bytes


def _check_lines(keys: Packed, texts: Packed) -> None:
    for i in np.flatnonzero(~texts.is_ascii()).tolist():
        try:
            (texts[i] or b"").decode()
        except UnicodeDecodeError as exc:
            raise ContractError(f"the changelog's row {keys[i]!r} cannot be read: {exc}") from exc
