"""
The changelog's format: one compact binary record a row, absolute and versioned.

A record stands for all the row has absorbed, with the positions up to which it has: compaction may take any older one.

    header      version, tier, planned, generation, as_of, last, emitted, positions, lengths
    small row   its events (24 bytes each), then its lines of evidence
    large row   a bitmap and the values of the counters that are not 0, the thresholds, the samples; then the evidence
    sections    what only some rows have, such as a profile
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.scoring.windows import SCALE_WINDOWS, SLICES, WINDOW_NAMES
from pipeline.state.actors import ENTRY, WHOLE
from pipeline.state.large import KINDS_AND_POSTS
from pipeline.state.partition import FATES, Partition
from pipeline.state.sections import encode_sections
from pipeline.state.sources import PROFILES, SOURCES

VERSION: Final = 3
"""
2 had no anchors in the partition's own record; its rows are today's.

1 had the profile before the body, with its length in the header, and no sections; it did not say how many sources its
positions are of, which were `SOURCES_1`; its lines were not JSON's text, and its actors' digests were XXH3.
"""

SOURCES_1: Final = 7

META_KEY: Final = b"\x00partition"
"""The key of a partition's own record; no user id begins with a NUL."""

SMALL, LARGE = 0, 1
"""Tiers."""


def header(version: int, sources: int) -> np.dtype[np.void]:
    """Return the layout of a header of some version, with the positions of so many sources."""
    lengths = ("profile", "body", "text") if version == 1 else ("body", "text", "sections")
    return np.dtype(
        [
            ("version", "u1"),
            ("tier", "u1"),
            ("planned", "u1"),
            ("sources", "u1"),
            ("generation", "<u4"),
            ("as_of", "<i8"),
            ("last", "<i8"),
            ("emitted", "<f4"),
            ("positions", "<i8", (sources,)),
            *[(name, "<u4") for name in lengths],
        ]
    )


def meta(version: int, sources: int) -> Struct:
    """Return the layout of a partition's own record of some version, with the positions of so many sources."""
    anchors = 2 * PROFILES if version > 2 else 0
    return Struct(f"<BxxBIq{sources}q{len(FATES)}q{anchors}q")


HEADER: Final = header(VERSION, len(SOURCES))

COUNTS: Final = len(WINDOW_NAMES) * SLICES * KINDS_AND_POSTS
WORTHS: Final = len(SCALE_WINDOWS) * SLICES


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
    bodies, texts = partition.small_rows.packed(rows), partition.small_rows.texts(rows)
    big = np.flatnonzero(large >= 0)
    encoded = _encode_large(partition, large[big].astype(np.int64))
    for place, row, body in zip(big.tolist(), rows[big].tolist(), encoded, strict=True):
        bodies[place], texts[place] = body, partition.evidence[row].encode()
    sections = encode_sections(partition.sections, rows)
    headers = np.zeros(len(rows), HEADER)
    headers["version"] = VERSION
    headers["tier"] = large >= 0
    headers["planned"] = planned
    headers["sources"] = len(SOURCES)
    headers["generation"] = generation
    headers["as_of"] = partition.as_of
    headers["last"] = partition.last[rows]
    headers["emitted"] = partition.emitted[rows]
    # A restored row may have absorbed more than the fold has reached again.
    absorbed = (
        partition.positions if partition.applied is None else np.maximum(partition.applied[rows], partition.positions)
    )
    headers["positions"] = absorbed
    for name, parts in (("body", bodies), ("text", texts), ("sections", sections)):
        headers[name] = np.fromiter(map(len, parts), np.uint32, len(parts))
    packed, size = headers.tobytes(), HEADER.itemsize
    pieces = zip(partition.index.names(rows), range(0, len(packed), size), bodies, texts, sections, strict=True)
    return [(name, b"".join((packed[at : at + size], body, text, more))) for name, at, body, text, more in pieces]


def _encode_large(partition: Partition, large: NDArray[np.int64]) -> Iterator[bytes]:
    rows = partition.large_rows
    counts = rows.counts[large].reshape(len(large), COUNTS)
    worth = rows.worth[large].reshape(len(large), WORTHS)
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


def decode_large(
    bodies: Sequence[bytes],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.uint64], list[bytes]]:
    """
    Return the counters [n, windows, slices, kinds], worths, thresholds and samples of the bodies of n large rows.

    Raises:
        ValueError: A body is none that was ever written.
    """
    n = len(bodies)
    counts = np.zeros((n, COUNTS), np.int32)
    worth = np.zeros((n, WORTHS), np.int64)
    thresholds = np.full((n, SLICES), WHOLE, np.uint64)
    samples: list[bytes] = []
    for i, body in enumerate(bodies):
        at = 0
        for column in (counts[i], worth[i], thresholds[i]):
            at = _read_sparse(body, at, column)
        sample = body[at:]
        if len(sample) % ENTRY.itemsize:
            raise ValueError(f"a sample of {len(sample)} bytes is no multiple of {ENTRY.itemsize}")
        samples.append(sample)
    return (
        counts.reshape(n, len(WINDOW_NAMES), SLICES, KINDS_AND_POSTS),
        worth.reshape(n, len(SCALE_WINDOWS), SLICES),
        thresholds,
        samples,
    )


def _read_sparse(body: bytes, at: int, column: NDArray[np.generic]) -> int:
    width = -(-len(column) // 8)
    bits = np.frombuffer(body, np.uint8, width, at)
    used = np.unpackbits(bits, bitorder="little")[: len(column)].astype(np.bool_)
    n = int(np.count_nonzero(used))
    column[used] = np.frombuffer(body, column.dtype, n, at + width)
    return at + width + n * column.itemsize


def encode_meta(partition: Partition, generation: int) -> tuple[bytes, bytes]:
    """Return the record of the partition itself: its time, its positions, fates and anchors."""
    value = meta(VERSION, len(SOURCES)).pack(
        VERSION,
        len(SOURCES),
        generation,
        partition.as_of,
        *np.maximum(partition.positions, partition.counted).tolist(),
        *partition.fates.tolist(),
        *partition.next_anchors().ravel().tolist(),
    )
    return META_KEY, value


@dataclass(frozen=True, slots=True)
class Meta:
    """What a partition's own record says."""

    generation: int
    """Of its writer."""
    as_of: int
    """Unix ms."""
    positions: list[int]
    """By source; fewer than today's in a record of before one was added."""
    fates: list[int]
    anchors: NDArray[np.int64] | None
    """[2, sources with ids], as `Partition.anchors`; none in a record of before version 3."""


def decode_meta(key: bytes, value: bytes) -> Meta:
    """
    Read a partition's own record.

    Raises:
        ContractError: It cannot be read.
        UnsupportedVersionError: A newer program wrote it.
    """
    version, sources = check_version(key, value)
    layout = meta(version, sources)
    if len(value) != layout.size:
        raise ContractError(f"the changelog's record {key!r} has {len(value)} bytes, not {layout.size}")
    _, _, generation, as_of, *rest = layout.unpack(value)
    fates = sources + len(FATES)
    anchors = np.array(rest[fates:], np.int64).reshape(2, PROFILES) if version > 2 else None
    return Meta(generation, as_of, rest[:sources], rest[sources:fates], anchors)


def check_version(key: bytes, value: bytes) -> tuple[int, int]:
    """
    Refuse a record that this program does not read.

    Returns:
        Its version, and how many sources its positions are of.

    Raises:
        ContractError: No program wrote it.
        UnsupportedVersionError: A newer one did.
    """
    version, sources = (value[0], value[3]) if len(value) > 3 else (0, 0)
    if version == 1:
        sources = SOURCES_1
    if version > VERSION or sources > len(SOURCES):
        raise UnsupportedVersionError(
            f"the changelog's row {key!r} is of version {version} with {sources} topics, this program reads up to "
            f"{VERSION} with {len(SOURCES)}: upgrade it"
        )
    if version < 1:
        raise ContractError(f"the changelog's row {key!r} has no version that was ever written: {value[:16]!r}")
    return version, sources
