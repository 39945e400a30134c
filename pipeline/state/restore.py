"""
From a changelog back to a partition, a fetch at a time.

Of the records of a row the last of the highest generation counts: a worker that had lost the partition may have woken
up and written late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError
from pipeline.state.codec import (
    HEADER,
    LARGE,
    META_KEY,
    SMALL,
    VERSION,
    check_version,
    decode_large,
    header,
    meta,
)
from pipeline.state.events import EVENT
from pipeline.state.evidence import Evidence
from pipeline.state.forgetting import drop_rows
from pipeline.state.lines import lines_of_1
from pipeline.state.origin import ORIGIN_KEY, Origin, OriginIds, decode_origin, hold_ids
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.profiles import Profiles
from pipeline.state.sections import HEAD, restore_sections
from pipeline.state.sources import SOURCES

Record = tuple[bytes, bytes]
_FIRST_USER: Final = b"\x01"
"""No user id comes before it: what does is the partition's own."""
_LENGTHS: Final = ("body", "text", "sections")


class Restore:
    """Rebuilds a partition from its changelog."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.origin_ids: list[OriginIds] = []
        """Of the log that this one began from."""
        self._planned = np.zeros(0, np.bool_)
        self._large: dict[int, tuple[int, bytes]] = {}
        """By row: as_of (Unix ms) and body of each large row."""
        self._overwritten: set[int] = set()
        self._meta_generation = 0

    def add(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """
        Take records in the order of the log.

        Raises:
            ContractError: A record cannot be read.
            UnsupportedVersionError: A newer program wrote it.
        """
        part = self.partition
        if part.applied is None:
            part.applied = np.zeros((part.room, len(SOURCES)), np.int64)
        rows: list[Record] = []
        for key, value in records:
            if key < _FIRST_USER:
                self._add_inner(key, value or b"")
            elif value is not None:
                rows.append((key, value))
            else:
                self._add_rows(rows)
                rows = []
                self._drop(key)
        self._add_rows(rows)

    def _drop(self, key: bytes) -> None:
        for row in drop_rows(self.partition, [key.decode()]).tolist():
            self._large.pop(row, None)
            self._overwritten.discard(row)
            # Nothing is owed of it.
            self._planned[row] = True

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
        _, sources = check_version(key, value)
        layout = meta(sources)
        if len(value) != layout.size:
            raise ContractError(f"the changelog's record {key!r} has {len(value)} bytes, not {layout.size}")
        _, _, generation, as_of, *rest = layout.unpack(value)
        if generation < self._meta_generation:
            return
        self._meta_generation = part.writer = generation
        part.as_of = max(part.as_of, as_of)
        # A source that was added later has been folded to nowhere.
        part.counted[:] = 0
        part.counted[:sources] = rest[:sources]
        part.fates[:] = rest[sources:]

    def _add_rows(self, records: list[Record]) -> None:
        if not records:
            return
        part = self.partition
        read = _read(records)
        index = part.index
        packed = Packed.of(read.keys)
        unknown = np.flatnonzero(index.find(packed) < 0)
        part.add_rows(list(dict.fromkeys(read.keys[i] for i in unknown.tolist())))
        rows = index.find(packed)
        winners, late = _winners(rows, read.headers["generation"], part.generation)
        self._overwritten.difference_update(rows.tolist())
        self._overwritten.update(late)
        self._put(rows[winners], read.select(winners))

    def _put(self, rows: NDArray[np.int64], read: "_Rows") -> None:
        part, headers = self.partition, read.headers
        part.as_of = max(part.as_of, int(headers["as_of"].max(initial=0)))
        part.generation[rows] = headers["generation"]
        part.last[rows] = headers["last"]
        part.emitted[rows] = headers["emitted"]
        assert part.applied is not None
        part.applied[rows] = headers["positions"]
        if len(self._planned) < part.room:
            self._planned = np.concatenate([self._planned, np.zeros(part.room - len(self._planned), np.bool_)])
        self._planned[rows] = headers["planned"]
        restore_sections(part.sections, read.keys, rows.tolist(), read.sections)
        is_large = headers["tier"] == LARGE
        part.small_rows.clear(rows[is_large])
        small = read.select(np.flatnonzero(~is_large))
        _check_lines(small)
        part.small_rows.replace(rows[~is_large], small.bodies, small.texts)
        for row in rows[~is_large].tolist() if self._large else ():
            self._large.pop(row, None)
            part.evidence.pop(row, None)
        for i in np.flatnonzero(is_large).tolist():
            row = int(rows[i])
            self._large[row] = int(headers["as_of"][i]), read.bodies[i]
            try:
                part.evidence[row] = Evidence.decode(read.texts[i])
            except msgspec.MsgspecError as exc:
                raise ContractError(f"the changelog's row {read.keys[i]!r} cannot be read: {exc}") from exc

    def finish(self, committed: NDArray[np.int64]) -> None:
        """
        End the recovery: the fold goes on at `committed`.

        Args:
            committed: int64[sources], the group's committed offsets; 0 where there is none.

        Raises:
            ContractError: A large row cannot be read.
        """
        part = self.partition
        part.positions[:] = committed
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
        part.dirty[:n] = False
        part.dirty[list(self._overwritten)] = True
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
            counts, worth, thresholds, samples = decode_large([body for _, body in held])
        except (ValueError, IndexError) as exc:
            raise ContractError(f"a large row of the changelog cannot be read: {self._broken()}: {exc}") from exc
        as_of = np.array([ms for ms, _ in held], np.int64) // 1000
        part.large_rows.restore(part.large[rows].astype(np.int64), as_of, counts, worth, thresholds, samples)
        self._large.clear()

    def _broken(self) -> str:
        for row, (_, body) in self._large.items():
            try:
                decode_large([body])
            except (ValueError, IndexError):
                return repr(self.partition.ids[row])
        return "none by itself"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows as they were written: headers, structured `HEADER` [n], and what follows them."""

    keys: list[bytes]
    headers: NDArray[np.void]
    bodies: list[bytes]
    texts: list[bytes]
    sections: list[bytes]

    def select(self, places: NDArray[np.int64]) -> "_Rows":
        """Return some rows."""
        if len(places) == len(self.keys):
            return self
        pieces = [[column[i] for i in places.tolist()] for column in (self.bodies, self.texts, self.sections)]
        return _Rows([self.keys[i] for i in places.tolist()], self.headers.take(places), *pieces)


def _read(records: list[Record]) -> _Rows:
    records = [_upgraded(key, value) for key, value in records]
    keys, values = [key for key, _ in records], [value for _, value in records]
    size = HEADER.itemsize
    for key, value in records:
        if len(value) < size:
            raise ContractError(f"the changelog's row {key!r} is cut off after {len(value)} bytes")
    headers = np.frombuffer(b"".join([value[:size] for value in values]), HEADER)
    ends = np.cumsum([headers[name] for name in _LENGTHS], axis=0, dtype=np.int64) + size
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    for i in np.flatnonzero(ends[-1] != lengths).tolist():
        raise ContractError(
            f"the changelog's row {keys[i]!r} says {ends[-1, i]} bytes in its header and has {lengths[i]}"
        )
    for i in np.flatnonzero(headers["tier"] > LARGE).tolist():
        raise ContractError(f"the changelog's row {keys[i]!r} is of tier {headers['tier'][i]}, which was never written")
    for i in np.flatnonzero((headers["tier"] == SMALL) & (headers["body"] % EVENT.itemsize > 0)).tolist():
        raise ContractError(
            f"the changelog's row {keys[i]!r} cannot be read: {headers['body'][i]} bytes of events are no multiple "
            f"of {EVENT.itemsize}"
        )
    body, text, whole = ends.tolist()
    return _Rows(
        keys,
        headers,
        [value[size:end] for value, end in zip(values, body, strict=True)],
        [value[start:end] for value, start, end in zip(values, body, text, strict=True)],
        [value[start:end] for value, start, end in zip(values, text, whole, strict=True)],
    )


def _check_lines(small: _Rows) -> None:
    try:
        b"".join(small.texts).decode()
    except UnicodeDecodeError:
        for key, text in zip(small.keys, small.texts, strict=True):
            try:
                text.decode()
            except UnicodeDecodeError as exc:
                raise ContractError(f"the changelog's row {key!r} cannot be read: {exc}") from exc


def _upgraded(key: bytes, value: bytes) -> Record:
    """
    Return a record in today's version.

    The digests of actors were other ones (XXH3) in version 1: who engages again within 90 days counts once more.
    """
    if value[:1] == _TODAY and value[3:4] == _SOURCES_TODAY:
        return key, value
    version, sources = check_version(key, value)
    layout = header(version, sources)
    size = layout.itemsize
    if len(value) < size:
        raise ContractError(f"the changelog's row {key!r} is cut off after {len(value)} bytes")
    old = np.frombuffer(value, layout, 1)
    new = np.zeros(1, HEADER)
    for name in layout.names or ():
        if name == "positions":
            new[name][0, :sources] = old[name]
        elif name != "profile":
            new[name] = old[name]
    new["version"], new["sources"] = VERSION, len(SOURCES)
    if version > 1:
        return key, new.tobytes() + value[size:]
    profile, body, text = (int(old[name][0]) for name in ("profile", "body", "text"))
    if size + profile + body + text != len(value):
        raise ContractError(
            f"the changelog's row {key!r} says {size + profile + body + text} bytes in its header and has {len(value)}"
        )
    sections = HEAD.pack(Profiles.tag, profile) + value[size : size + profile] if profile else b""
    start, end = size + profile, size + profile + body
    lines = value[end:] if old["tier"][0] == LARGE else lines_of_1(value[end:])
    new["text"], new["sections"] = len(lines), len(sections)
    return key, new.tobytes() + value[start:end] + lines + sections


_TODAY: Final = bytes([VERSION])
_SOURCES_TODAY: Final = bytes([len(SOURCES)])


def _winners(
    rows: NDArray[np.int64], generation: NDArray[np.uint32], held: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], list[int]]:
    """
    Find which records count.

    Returns:
        Their places, of each row one at most; and the rows whose last record is of a lower generation than another.
    """
    order = np.argsort(rows, kind="stable")
    sorted_rows, sorted_generation = rows[order], generation[order]
    start = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
    best = np.maximum(np.maximum.reduceat(sorted_generation, start), held[sorted_rows[start]])
    counts = np.diff(start, append=len(rows))
    is_best = sorted_generation == np.repeat(best, counts)
    last = np.maximum.reduceat(np.where(is_best, np.arange(len(rows)), -1), start)
    ends = start + counts - 1
    return order[last[last >= 0]], sorted_rows[start[last != ends]].tolist()
