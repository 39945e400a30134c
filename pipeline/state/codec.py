"""
The changelog's format: one compact binary record a row, absolute and versioned.

A record stands for all the row has absorbed, with the positions up to which it has: compaction may take any older one.

    header      version, tier, planned, generation, as_of, last, emitted, positions, lengths
    profile     the profile's JSON
    small row   its events (24 bytes each), then their lines of evidence
    large row   a bitmap and the values of the counters that are not 0, the thresholds, the samples; then the evidence
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.scoring.windows import SCALE_WINDOWS, SLICES, WINDOW_NAMES
from pipeline.state.actors import ENTRY, WHOLE
from pipeline.state.events import EVENT
from pipeline.state.evidence import Evidence
from pipeline.state.large import KINDS_AND_POSTS
from pipeline.state.partition import FATES, Partition
from pipeline.state.sources import SOURCES
from schemas import Profile

VERSION: Final = 1
META_KEY: Final = b"\x00partition"
"""The key of a partition's own record; no user id begins with a NUL."""

_SMALL, _LARGE = 0, 1
_HEADER: Final = np.dtype(
    [
        ("version", "u1"),
        ("tier", "u1"),
        ("planned", "u1"),
        ("spare", "u1"),
        ("generation", "<u4"),
        ("as_of", "<i8"),
        ("last", "<i8"),
        ("emitted", "<f4"),
        ("positions", "<i8", (len(SOURCES),)),
        ("profile", "<u4"),
        ("body", "<u4"),
        ("text", "<u4"),
    ]
)
_HEADER_STRUCT: Final = Struct(f"<BBBxIqqf{len(SOURCES)}qIII")
assert _HEADER_STRUCT.size == _HEADER.itemsize
_META: Final = Struct(f"<BxxxIq{len(SOURCES)}q{len(FATES)}q")

_COUNTS: Final = len(WINDOW_NAMES) * SLICES * KINDS_AND_POSTS
_WORTHS: Final = len(SCALE_WINDOWS) * SLICES
_COUNT_BYTES: Final = -(-_COUNTS // 8)
_WORTH_BYTES: Final = -(-_WORTHS // 8)
_SLICE_BYTES: Final = -(-SLICES // 8)


def encode_rows(
    partition: Partition, rows: NDArray[np.int64], planned: NDArray[np.bool_], generation: int
) -> list[tuple[bytes, bytes]]:
    """
    Return the changelog records of settled rows, as key and value.

    Args:
        partition: Settled.
        rows: int64[n].
        planned: bool[n], whether the row's document follows in the same round.
        generation: Of the writer's membership in the group.
    """
    large = partition.large[rows]
    numbers = rows.tolist()
    bodies = [partition.events[row] for row in numbers]
    texts = [partition.lines[row] for row in numbers]
    big = np.flatnonzero(large >= 0)
    encoded = _encode_large(partition, large[big].astype(np.int64))
    for place, body in zip(big.tolist(), encoded, strict=True):
        bodies[place] = body
        texts[place] = partition.evidence[numbers[place]].encode()
    profiles = [partition.profiles.get(row, b"") for row in numbers]
    headers = np.zeros(len(rows), _HEADER)
    headers["version"] = VERSION
    headers["tier"] = large >= 0
    headers["planned"] = planned
    headers["generation"] = generation
    headers["as_of"] = partition.as_of
    headers["last"] = partition.last[rows]
    headers["emitted"] = partition.emitted[rows]
    # A restored row may have absorbed more than the fold has reached again.
    absorbed = (
        partition.positions if partition.applied is None else np.maximum(partition.applied[rows], partition.positions)
    )
    headers["positions"] = absorbed
    for name, parts in (("profile", profiles), ("body", bodies), ("text", texts)):
        headers[name] = np.fromiter(map(len, parts), np.uint32, len(parts))
    packed, size, ids = headers.tobytes(), _HEADER.itemsize, partition.ids
    pieces = zip(numbers, range(0, len(packed), size), profiles, bodies, texts, strict=True)
    return [
        (ids[row], b"".join((packed[at : at + size], profile, body, text))) for row, at, profile, body, text in pieces
    ]


def _encode_large(partition: Partition, large: NDArray[np.int64]) -> Iterator[bytes]:
    rows = partition.large_rows
    counts = rows.counts[large].reshape(len(large), _COUNTS)
    worth = rows.worth[large].reshape(len(large), _WORTHS)
    thresholds = rows.thresholds[large]
    parts = [
        _sparse(counts, counts != 0),
        _sparse(worth, worth != 0),
        _sparse(thresholds, thresholds != WHOLE),
    ]
    samples = (rows.samples[number] for number in large.tolist())
    return (b"".join(pieces) for pieces in zip(*parts, samples, strict=True))


def _sparse(column: NDArray[np.generic], used: NDArray[np.bool_]) -> list[bytes]:
    """Return for each row a bitmap of what is used, and the used values."""
    bits = memoryview(np.packbits(used, axis=1, bitorder="little").tobytes())
    values = memoryview(column[used].tobytes())
    width = -(-column.shape[1] // 8)
    ends = np.cumsum(used.sum(axis=1)) * column.itemsize
    pieces: list[bytes] = []
    start = 0
    for i, end in enumerate(ends.tolist()):
        pieces.append(bytes(bits[i * width : (i + 1) * width]) + bytes(values[start:end]))
        start = end
    return pieces


def encode_meta(partition: Partition, generation: int) -> tuple[bytes, bytes]:
    """Return the record of the partition itself: its time, its positions and the fates it has counted."""
    value = _META.pack(
        VERSION,
        generation,
        partition.as_of,
        *np.maximum(partition.positions, partition.counted).tolist(),
        *partition.fates.tolist(),
    )
    return META_KEY, value


@dataclass(slots=True)
class _Header:
    tier: int
    planned: bool
    generation: int
    as_of: int
    last: int
    emitted: float
    positions: tuple[int, ...]
    profile: bytes
    body: bytes
    text: bytes


def _decode(key: bytes, value: bytes) -> _Header:
    _check_version(key, value)
    if len(value) < _HEADER_STRUCT.size:
        raise ContractError(f"the changelog's row {key!r} is cut off after {len(value)} bytes")
    _, tier, planned, generation, as_of, last, emitted, *rest = _HEADER_STRUCT.unpack_from(value)
    *positions, profile_len, body_len, text_len = rest
    profile_end = _HEADER_STRUCT.size + profile_len
    body_end = profile_end + body_len
    if body_end + text_len != len(value):
        raise ContractError(
            f"the changelog's row {key!r} says {body_end + text_len} bytes in its header and has {len(value)}"
        )
    if tier not in (_SMALL, _LARGE):
        raise ContractError(f"the changelog's row {key!r} is of tier {tier}, which was never written")
    return _Header(
        tier,
        bool(planned),
        generation,
        as_of,
        last,
        emitted,
        tuple(positions),
        value[_HEADER_STRUCT.size : profile_end],
        value[profile_end:body_end],
        value[body_end:],
    )


def _check_version(key: bytes, value: bytes) -> None:
    version = value[0] if value else 0
    if version > VERSION:
        raise UnsupportedVersionError(
            f"the changelog's row {key!r} is of version {version}, this program reads up to {VERSION}: upgrade it"
        )
    if version != VERSION:
        raise ContractError(f"the changelog's row {key!r} has no version that was ever written: {value[:16]!r}")


class Restore:
    """Rebuilds a partition from its changelog, a fetch at a time."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self._profile = msgspec.json.Decoder(Profile).decode
        self._planned: dict[int, bool] = {}
        self._large: dict[int, _Header] = {}
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
        for key, value in records:
            if key == META_KEY:
                self._add_meta(key, value or b"")
            elif value is not None:
                self._add_row(key, value)

    def _add_meta(self, key: bytes, value: bytes) -> None:
        part = self.partition
        _check_version(key, value)
        if len(value) != _META.size:
            raise ContractError(f"the changelog's record {key!r} has {len(value)} bytes, not {_META.size}")
        _, generation, as_of, *rest = _META.unpack(value)
        if generation < self._meta_generation:
            return
        self._meta_generation = part.writer = generation
        part.as_of = max(part.as_of, as_of)
        part.counted[:] = rest[: len(SOURCES)]
        part.fates[:] = rest[len(SOURCES) :]

    def _add_row(self, key: bytes, value: bytes) -> None:
        part = self.partition
        header = _decode(key, value)
        row = part.index.get(key)
        if row is None:
            part.add_rows([key])
            row = part.index[key]
        elif header.generation < part.generation[row]:
            # A worker that had lost the partition woke up and wrote late: compaction would keep its record.
            self._overwritten.add(row)
            return
        self._overwritten.discard(row)
        try:
            self._put_row(row, header)
        except (ValueError, IndexError, msgspec.MsgspecError) as exc:
            raise ContractError(f"the changelog's row {key!r} cannot be read: {exc}") from exc

    def _put_row(self, row: int, header: _Header) -> None:
        part = self.partition
        part.generation[row] = header.generation
        part.as_of = max(part.as_of, header.as_of)
        part.last[row] = header.last
        part.emitted[row] = header.emitted
        assert part.applied is not None
        part.applied[row] = header.positions
        self._planned[row] = header.planned
        part.set_profile(row, self._profile(header.profile) if header.profile else None)
        if header.tier == _SMALL:
            if len(header.body) % EVENT.itemsize:
                raise ValueError(f"{len(header.body)} bytes of events are no multiple of {EVENT.itemsize}")
            header.text.decode()
            part.events[row], part.lines[row] = header.body, header.text
            self._large.pop(row, None)
            part.evidence.pop(row, None)
        else:
            part.events[row] = part.lines[row] = b""
            part.evidence[row] = Evidence.decode(header.text)
            _decode_large([header])
            self._large[row] = header

    def finish(self, committed: NDArray[np.int64]) -> None:
        """
        End the recovery: the fold goes on at `committed`.

        Args:
            committed: int64[sources], the group's committed offsets; 0 where there is none.
        """
        part = self.partition
        part.positions[:] = committed
        self._place_large()
        part.large_rows.advance(part.as_of // 1000)
        if part.applied is None:
            return
        rows = np.array(list(self._planned), np.int64)
        planned = np.array(list(self._planned.values()), np.bool_)
        ahead = (part.applied[rows] > committed).any(axis=1)
        part.ahead[:] = part.applied.max(axis=0, initial=0)
        # A round commits after it has emitted: what it planned is out when its offsets are committed.
        part.owed[rows] = ~planned | ahead
        part.dirty[: len(part)] = False
        part.dirty[list(self._overwritten)] = True
        if not ahead.any():
            part.applied = None

    def _place_large(self) -> None:
        part = self.partition
        rows = np.array(list(self._large), np.int64)
        if not len(rows):
            return
        part.large_rows.advance(part.as_of // 1000)
        fresh = rows[part.large[rows] < 0]
        part.large[fresh] = part.large_rows.add_rows(len(fresh))
        headers = list(self._large.values())
        counts, worth, thresholds, samples = _decode_large(headers)
        as_of = np.array([header.as_of for header in headers], np.int64) // 1000
        part.large_rows.restore(part.large[rows].astype(np.int64), as_of, counts, worth, thresholds, samples)
        self._large.clear()


def _decode_large(
    headers: list[_Header],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.uint64], list[bytes]]:
    n = len(headers)
    counts = np.zeros((n, _COUNTS), np.int32)
    worth = np.zeros((n, _WORTHS), np.int64)
    thresholds = np.full((n, SLICES), WHOLE, np.uint64)
    samples: list[bytes] = []
    for i, header in enumerate(headers):
        at = _read_sparse(header.body, 0, _COUNT_BYTES, counts[i])
        at = _read_sparse(header.body, at, _WORTH_BYTES, worth[i])
        at = _read_sparse(header.body, at, _SLICE_BYTES, thresholds[i])
        sample = header.body[at:]
        if len(sample) % ENTRY.itemsize:
            raise ContractError(f"a large row of the changelog has a sample of {len(sample)} bytes")
        samples.append(sample)
    return (
        counts.reshape(n, len(WINDOW_NAMES), SLICES, KINDS_AND_POSTS),
        worth.reshape(n, len(SCALE_WINDOWS), SLICES),
        thresholds,
        samples,
    )


def _read_sparse(body: bytes, at: int, width: int, column: NDArray[np.generic]) -> int:
    bits = np.frombuffer(body, np.uint8, width, at)
    used = np.unpackbits(bits, bitorder="little")[: len(column)].astype(np.bool_)
    n = int(np.count_nonzero(used))
    column[used] = np.frombuffer(body, column.dtype, n, at + width)
    return at + width + n * column.itemsize
