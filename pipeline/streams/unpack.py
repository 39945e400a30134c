"""
From a fetch response to columns, a Kafka record batch at a time.

Stock aiokafka builds a `ConsumerRecord` of eleven fields for each record (2.6 us); here a record costs its value, key,
offset and timestamp (0.5 us). The consumer's thread only walks over the batches' headers; the records themselves are
parsed by the thread that folds them, so that the two do not fight for the interpreter's lock.

Uses names of aiokafka 0.14.0 that begin with an underscore: the version is pinned for that reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch
from numpy.typing import NDArray

from pipeline.state.records import Records


@dataclass(frozen=True, slots=True)
class Fetched:
    """The record batches of one partition in one fetch response, not parsed yet."""

    first: int
    """The position that was fetched."""
    end: int
    """The position after the last batch."""
    batches: list[DefaultRecordBatch]

    def records(self) -> Records:
        """Parse the batches. Records before `first` (a batch may begin earlier) are left out."""
        offsets: list[NDArray[np.int64]] = []
        timestamps: list[NDArray[np.int64]] = []
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        for batch in self.batches:
            parsed = list(batch)
            if not parsed:
                continue
            offsets.append(_offsets(parsed))
            timestamps.append(_timestamps(batch, parsed))
            keys += [record.key for record in parsed]
            values += [record.value for record in parsed]
        if not values:
            return Records.of(self.first, self.end, [], [], [], [])
        run = Records(self.first, self.end, np.concatenate(offsets), np.concatenate(timestamps), keys, values)
        return run if run.offsets[0] >= self.first else run.since(self.first)


def _offsets(parsed: list[DefaultRecord]) -> NDArray[np.int64]:
    """Return the records' offsets: without asking each of them where none is missing."""
    first, last = parsed[0].offset, parsed[-1].offset
    if last - first + 1 == len(parsed):
        return np.arange(first, last + 1)
    return np.array([record.offset for record in parsed], np.int64)


def _timestamps(batch: DefaultRecordBatch, parsed: list[DefaultRecord]) -> NDArray[np.int64]:
    """Return the records' timestamps: without asking each of them where all have the same."""
    if batch.first_timestamp == batch.max_timestamp == parsed[0].timestamp == parsed[-1].timestamp:
        return np.full(len(parsed), batch.first_timestamp)
    return np.array([record.timestamp for record in parsed], np.int64)


def take(partition_records: PartitionRecords) -> Fetched:
    """
    Take what a fetch holds for a partition, and move its position on.

    Keeps what the stock iterator guarantees: CRC checks, control batches and aborted transactions left out, positions
    that pass over what compaction removed.

    Raises:
        CorruptRecordException: A batch's checksum is wrong.
    """
    first = partition_records.next_fetch_offset
    batches = [batch for batch in _batches(partition_records) if _is_wanted(partition_records, batch)]
    return Fetched(first, partition_records.next_fetch_offset, batches)


def _batches(source: PartitionRecords) -> Iterable[DefaultRecordBatch]:
    records = source._records  # noqa: SLF001
    while records.has_next():
        batch = records.next_batch()
        if source._check_crcs and not batch.validate_crc():  # noqa: SLF001
            raise CorruptRecordException(f"a record batch of {source._tp} has a wrong checksum")  # noqa: SLF001
        yield batch
        source.next_fetch_offset = batch.next_offset


def _is_wanted(source: PartitionRecords, batch: Any) -> bool:
    if source._isolation_level == READ_COMMITTED and batch.producer_id is not None:  # noqa: SLF001
        source._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001
        if batch.is_control_batch:
            if source._contains_abort_marker(batch):  # noqa: SLF001
                source._aborted_producers.discard(batch.producer_id)  # noqa: SLF001
        elif batch.is_transactional and batch.producer_id in source._aborted_producers:  # noqa: SLF001
            return False
    return not batch.is_control_batch
