"""Which rows of a changelog have a zombie's record as their last: compaction would keep that one."""

import numpy as np
from numpy.typing import NDArray

from pipeline.state.codec import META_KEY, decode_meta
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.upgrade import upgraded
from pipeline.state.winners import own_records, rows_and_tombstones
from pipeline.state.written import WrittenRows


class Overtaken:
    """
    Takes what was written to a partition's changelog since its owner recovered it.

    Args:
        part: The owner's.
    """

    def __init__(self, part: Partition) -> None:
        self._part = part
        self._is_last = np.zeros(len(part), np.bool_)
        self.records = 0
        """That an earlier owner wrote."""
        self.position = 0
        """The greatest sum of positions in them: their writer's version, without `Partition.version_before`."""
        self.forgotten: set[bytes] = set()
        """Forgotten users of whom a row was written."""

    def add(self, keys: Packed, values: Packed) -> None:
        """
        Take records in the order of the log.

        Raises:
            ContractError: A record cannot be read.
            UnsupportedVersionError: A newer program wrote it.
        """
        for i in np.flatnonzero(own_records(keys)).tolist():
            if keys[i] == META_KEY:
                self._add_meta(values[i] or b"")
        for places, tombstone in rows_and_tombstones(keys, values):
            if len(places):
                self._add_rows(keys.select(places), values.select(places))
            if tombstone is not None:
                # Nobody signs it: ours, if the row is gone.
                self._note(self._part.index.find(keys.select(np.array([tombstone]))), np.array([True]))

    def rows(self) -> NDArray[np.int64]:
        """Return the rows whose last record is not their owner's, without those that were dropped meanwhile."""
        return np.flatnonzero(self._is_last & self._part.index.is_named()[: len(self._is_last)])

    def _add_meta(self, value: bytes) -> None:
        read = decode_meta(META_KEY, value)
        if read.generation < self._part.owner:
            self.records += 1
            self.position = max(self.position, sum(read.positions))

    def _add_rows(self, keys: Packed, values: Packed) -> None:
        headers = WrittenRows.of(keys, upgraded(keys, values)).headers
        foreign = headers["generation"] < self._part.owner
        rows = self._part.index.find(keys)
        self._note(rows, foreign)
        places = np.flatnonzero(foreign)
        self.records += len(places)
        self.position = max(self.position, int(headers["positions"][places].sum(axis=1).max(initial=0)))
        unknown = keys.select(places[rows[places] < 0])
        self.forgotten.update(key for key in unknown if key and self._part.decisions.is_forgotten_key(key))

    def _note(self, rows: NDArray[np.int64], foreign: NDArray[np.bool_]) -> None:
        # What has come since is new, and will be written in any case.
        known = np.flatnonzero((rows >= 0) & (rows < len(self._is_last)))
        # Of a row that is there several times numpy keeps the last.
        self._is_last[rows[known]] = foreign[known]
