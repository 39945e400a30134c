"""One partition that a snapshot is taken of."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.partitioner import murmur2
from pipeline.snapshot.newest import NewestRows
from pipeline.state.horizon import HeldIds
from pipeline.state.origin import OriginIds
from pipeline.state.partition import Partition
from pipeline.state.records import Records
from pipeline.state.sources import PROFILES, SOURCES


@dataclass(slots=True)
class Captured:
    """The state of one partition, and which users its ids are of."""

    partition: Partition
    """With the rows that had to be decoded."""
    newest: NewestRows
    """All rows, as the changelog has them."""
    origin_ids: list[OriginIds]
    """Of the log that this one began from."""
    offsets: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)
    hashes: dict[int, list[NDArray[np.uint32]]] = field(default_factory=dict)

    def note(self, source: int, run: Records) -> None:
        """Remember the users of some records, for the ids among them."""
        if source < PROFILES:
            self.offsets.setdefault(source, []).append(run.offsets)
            self.hashes.setdefault(source, []).append(murmur2([key or b"" for key in run.keys]))

    def ids(self) -> Iterator[OriginIds]:
        """Yield the ids that new records may repeat, with their users."""
        for source in range(PROFILES):
            position = int(self.partition.positions[source])
            held = self.partition.horizons[source].take_out(position)
            users, known = self._users(source, held, position)
            yield from OriginIds.of(SOURCES[source], held.select(known), users[known])

    def _users(self, source: int, held: HeldIds, position: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        users = np.zeros(len(held.keys), np.uint32)
        known = np.zeros(len(held.keys), np.bool_)
        if source in self.offsets:
            offsets, hashes = np.concatenate(self.offsets[source]), np.concatenate(self.hashes[source])
            _look_up(position - held.distances, offsets, hashes, users, known)
        # What stands before the log's beginning came with the snapshot that it began from.
        earlier = [part for part in self.origin_ids if part.source == SOURCES[source]]
        if earlier:
            keys = np.concatenate([part.held().keys for part in earlier])
            hashes = np.concatenate([part.users() for part in earlier])
            order = np.argsort(keys)
            _look_up(held.keys, keys[order], hashes[order], users, known)
        return users, known


def _look_up(
    wanted: NDArray[np.int64] | NDArray[np.uint64],
    sorted_by: NDArray[np.int64] | NDArray[np.uint64],
    found: NDArray[np.uint32],
    users: NDArray[np.uint32],
    known: NDArray[np.bool_],
) -> None:
    at = np.minimum(np.searchsorted(sorted_by, wanted), len(sorted_by) - 1)
    fits = ~known & (sorted_by[at] == wanted)
    users[fits] = found[at[fits]]
    known |= fits
