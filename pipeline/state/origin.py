"""
The origin of a log that did not begin empty: what a snapshot brings along that no row holds.

It stands in the changelog before all rows, in records of its own that are never written again: the version that earlier
logs had reached, and the ids that new records may still repeat.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ContractError, UnsupportedVersionError
from pipeline.state.horizon import HeldIds
from pipeline.state.partition import Partition
from pipeline.state.sources import PROFILES, SOURCE_OF

VERSION: Final = 1
ORIGIN_KEY: Final = b"\x00origin"
"""Begins the key of every record of the origin; no user id begins with a NUL."""
_CHUNK: Final = 16_384
"""Ids in one record: 350 KB, below a broker's usual limit."""


class Origin(msgspec.Struct, frozen=True, tag="origin", array_like=True):
    """Where the log begins."""

    snapshot: str
    """The id of the snapshot."""
    version: int
    """The greatest version of earlier logs."""


class OriginIds(msgspec.Struct, frozen=True, tag="ids", array_like=True):
    """Ids of one topic before the log's beginning: columns of equal length, as little-endian bytes."""

    source: str
    keys: bytes
    """u8[n], the first half of each id's digest."""
    checks: bytes
    """u4[n], the next quarter."""
    distances: bytes
    """u4[n], how far before the beginning the id stood."""
    hashes: bytes
    """u4[n], murmur2 of the user: it tells the partition among any number of them."""
    steps: bytes
    """i8[2, k], event time: from so far before the beginning on (negative), so many seconds."""

    @staticmethod
    def of(source: str, held: HeldIds, hashes: NDArray[np.uint32]) -> Iterator["OriginIds"]:
        """Yield the ids of one topic in records of bounded size; `hashes` are their users'."""
        for first in range(0, len(held.keys), _CHUNK):
            part = slice(first, first + _CHUNK)
            yield OriginIds(
                source,
                held.keys[part].astype("<u8").tobytes(),
                (held.checks[part] >> np.uint64(32)).astype("<u4").tobytes(),
                held.distances[part].astype("<u4").tobytes(),
                hashes[part].astype("<u4").tobytes(),
                held.steps.astype("<i8").tobytes(),
            )

    def held(self) -> HeldIds:
        """Return the ids."""
        return HeldIds(
            np.frombuffer(self.keys, "<u8").astype(np.uint64),
            np.frombuffer(self.checks, "<u4").astype(np.uint64) << np.uint64(32),
            np.frombuffer(self.distances, "<u4").astype(np.int64),
            np.frombuffer(self.steps, "<i8").astype(np.int64).reshape(2, -1),
        )

    def users(self) -> NDArray[np.uint32]:
        """Return murmur2 of each id's user."""
        return np.frombuffer(self.hashes, "<u4").astype(np.uint32)

    def select(self, chosen: NDArray[np.bool_]) -> "OriginIds":
        """Return some of the ids."""
        return next(OriginIds.of(self.source, self.held().select(chosen), self.users()[chosen]), _none_of(self))


def _none_of(ids: OriginIds) -> OriginIds:
    return OriginIds(ids.source, b"", b"", b"", b"", ids.steps)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Origin | OriginIds]] = msgspec.msgpack.Decoder(Origin | OriginIds)


def encode_origin(origin: Origin, ids: Iterable[OriginIds]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the changelog records of a partition's origin, as key and value."""
    yield ORIGIN_KEY, bytes([VERSION]) + _ENCODER.encode(origin)
    for number, part in enumerate(ids):
        yield b"%s/%s/%d" % (ORIGIN_KEY, part.source.encode(), number), bytes([VERSION]) + _ENCODER.encode(part)


def decode_origin(key: bytes, value: bytes) -> Origin | OriginIds:
    """
    Return what a record of the origin says.

    Raises:
        ContractError: It cannot be read.
        UnsupportedVersionError: A newer program wrote it.
    """
    if value[:1] > bytes([VERSION]):
        raise UnsupportedVersionError(
            f"the changelog's record {key!r} is of version {value[0]}, this program reads up to {VERSION}: upgrade it"
        )
    try:
        return _DECODER.decode(value[1:])
    except msgspec.MsgspecError as exc:
        raise ContractError(f"the changelog's record {key!r} cannot be read: {exc}") from exc


def hold_ids(partition: Partition, ids: Iterable[OriginIds], positions: NDArray[np.int64]) -> None:
    """
    Let an empty partition know ids of before.

    Args:
        partition: Nothing was folded or remembered yet.
        ids: Of any topics that repeat ids.
        positions: int64[sources], the offset that each topic's ids stood before: 0 where its log began after them.
    """
    by_source: dict[str, list[HeldIds]] = {}
    for part in ids:
        by_source.setdefault(part.source, []).append(part.held())
    for name, held in by_source.items():
        source = SOURCE_OF.get(name, PROFILES)
        if source < PROFILES:
            partition.hold_ids(source, HeldIds.merged(held), int(positions[source]))
