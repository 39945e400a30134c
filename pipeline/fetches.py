"""
From a fetch response to columns, a Kafka record batch at a time.

Stock aiokafka builds a `ConsumerRecord` of eleven fields for each record (2.6 us), and its batches an object, a key and
a value (0.3 us). Here a compiled loop walks over a batch's bytes and notes where keys and values are. Whoever takes a
fetch looks at the batches' headers only; the records themselves are parsed where they are wanted, in another thread of
the worker's.

Uses names of aiokafka 0.14.0 that begin with an underscore: the version is pinned for that reason.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiokafka import TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from numpy.typing import NDArray

from pipeline.state.compiled import compiled
from pipeline.state.packed import PADDING, Packed
from pipeline.state.records import Records

_LOG_OVERHEAD: Final = 12
"""Bytes before a batch's body: base offset and length."""

_LENGTH_AT: Final = 8
_COUNT_AT: Final = 57
_RECORDS_AT: Final = 61
_LOG_APPEND_TIME: Final = 1

_DECODERS: Final[dict[int, Callable[[bytes], bytes]]] = {
    DefaultRecordBatch.CODEC_GZIP: gzip_decode,
    DefaultRecordBatch.CODEC_SNAPPY: snappy_decode,
    DefaultRecordBatch.CODEC_LZ4: lz4_decode,
    DefaultRecordBatch.CODEC_ZSTD: zstd_decode,
}


class RawRecords:
    """The record batches of a fetch, with their bytes: stands in for aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = data
        self._at = 0

    def size_in_bytes(self) -> int:
        """Return the size of all batches."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Tell whether a whole batch follows."""
        return bool(self._records.has_next())

    def next_batch(self) -> DefaultRecordBatch:
        """Return the next batch, for aiokafka's own iterator."""
        return self.next_batch_with_bytes().header

    def next_batch_with_bytes(self) -> "Batch":
        """Return the next batch with its bytes: batches follow one another."""
        start = self._at
        length = int.from_bytes(self._data[start + _LENGTH_AT : start + _LOG_OVERHEAD], "big")
        self._at = start + _LOG_OVERHEAD + length
        return Batch(self._records.next_batch(), self._data[start : self._at])


# The fetcher wraps what it was sent in these: with the bytes at hand, records need not become objects.
aiokafka_fetcher.MemoryRecords = RawRecords


@dataclass(frozen=True, slots=True)
class Batch:
    """One record batch: what its header says, and its bytes."""

    header: DefaultRecordBatch
    data: bytes

    def payload(self) -> bytes:
        """Return the records, without compression."""
        payload = self.data[_RECORDS_AT:]
        if self.header.compression_type == DefaultRecordBatch.CODEC_NONE:
            return payload
        return _DECODERS[self.header.compression_type](payload)

    @property
    def count(self) -> int:
        """The number of records."""
        return int.from_bytes(self.data[_COUNT_AT:_RECORDS_AT], "big")


@dataclass(frozen=True, slots=True)
class Fetched:
    """The record batches of one partition in one fetch response, not parsed yet."""

    first: int
    """The position that was fetched."""
    end: int
    """The position after the last batch."""
    batches: list[Batch]

    def plus(self, other: "Fetched") -> "Fetched":
        """Return this one and the one that begins where it ends."""
        return Fetched(self.first, other.end, [*self.batches, *other.batches])

    @property
    def size(self) -> int:
        """The bytes of its batches."""
        return sum(len(batch.data) for batch in self.batches)

    def records(self) -> Records:
        """
        Parse the batches. Records before `first` (a batch may begin earlier) are left out.

        Raises:
            CorruptRecordException: A batch does not hold what its header says.
        """
        payloads = [batch.payload() for batch in self.batches]
        counts = [batch.count for batch in self.batches]
        text = b"".join((*payloads, PADDING))
        buffer = np.frombuffer(text, np.uint8)
        # A record takes some bytes: a greater count is a lie, and memory must not be made for it.
        found = np.zeros((_FIELDS, min(sum(counts), len(text))), np.int64)
        at, done = 0, 0
        for batch, payload, count in zip(self.batches, payloads, counts, strict=True):
            header, end = batch.header, at + len(payload)
            if count > len(payload) or not _walk(
                buffer, at, end, header.base_offset, header.first_timestamp, found, done, count
            ):
                raise CorruptRecordException(f"the record batch at offset {header.base_offset} cannot be read")
            if header.timestamp_type == _LOG_APPEND_TIME:
                found[_TIMESTAMP, done : done + count] = header.max_timestamp
            at, done = end, done + count
        offsets, timestamps, *spans = found
        run = Records(self.first, self.end, offsets, timestamps, Packed(text, *spans[:2]), Packed(text, *spans[2:]))
        return run if not len(run) or run.offsets[0] >= self.first else run.since(self.first)


_OFFSET, _TIMESTAMP, _KEY_START, _KEY_END, _VALUE_START, _VALUE_END = range(6)
_FIELDS: Final = 6
_MOST_SHIFT: Final = 63


@compiled
def _varint(buffer: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Return a zigzag number and where it ends; -1 for the end if there is none."""
    raw, shift = np.uint64(0), 0
    while at < end and shift <= _MOST_SHIFT:
        byte = buffer[at]
        raw |= np.uint64(byte & 0x7F) << np.uint64(shift)
        at += 1
        if byte < 0x80:
            return int(np.int64(raw >> np.uint64(1)) ^ -np.int64(raw & np.uint64(1))), at
        shift += 7
    return 0, -1


@compiled
def _walk(
    buffer: NDArray[np.uint8],
    at: int,
    end: int,
    base_offset: int,
    first_timestamp: int,
    out: NDArray[np.int64],
    first: int,
    count: int,
) -> bool:
    """Note where the keys and values of a batch's records are; False if they are not what they should be."""
    for i in range(first, first + count):
        length, at = _varint(buffer, at, end)
        if at < 0 or length < 1 or length > end - at:
            return False
        stop = at + length
        # One byte of attributes, of which none is used.
        timestamp, at = _varint(buffer, at + 1, stop)
        if at < 0:
            return False
        offset, at = _varint(buffer, at, stop)
        if at < 0:
            return False
        out[_OFFSET, i], out[_TIMESTAMP, i] = base_offset + offset, first_timestamp + timestamp
        for field in (_KEY_START, _VALUE_START):
            length, at = _varint(buffer, at, stop)
            if at < 0 or length > stop - at:
                return False
            if length < 0:
                out[field, i] = out[field + 1, i] = -1
            else:
                out[field, i], out[field + 1, i] = at, at + length
                at += length
        at = stop
    return True


def take(partition_records: PartitionRecords) -> Fetched:
    """
    Take what a fetch holds for a partition, and move its position on.

    Keeps what the stock iterator guarantees: CRC checks, control batches and aborted transactions left out, positions
    that pass over what compaction removed.

    Raises:
        CorruptRecordException: A batch's checksum is wrong.
    """
    first = partition_records.next_fetch_offset
    batches = [batch for batch in _batches(partition_records) if _is_wanted(partition_records, batch.header)]
    return Fetched(first, partition_records.next_fetch_offset, batches)


def _batches(source: PartitionRecords) -> Iterable[Batch]:
    records: RawRecords = source._records
    while records.has_next():
        taken = records.next_batch_with_bytes()
        batch = taken.header
        if source._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"a record batch of {source._tp} has a wrong checksum")
        yield taken
        source.next_fetch_offset = batch.next_offset


def _is_wanted(source: PartitionRecords, batch: Any) -> bool:
    if source._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        source._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch:
            if source._contains_abort_marker(batch):
                source._aborted_producers.discard(batch.producer_id)
        elif batch.is_transactional and batch.producer_id in source._aborted_producers:
            return False
    return not batch.is_control_batch


async def next_fetches(
    fetcher: Any, partitions: Collection[TopicPartition], seconds: float | None
) -> dict[TopicPartition, Fetched]:
    """
    Take every fetch that waits for one of these partitions, as aiokafka's `fetched_records` does for records.

    Args:
        fetcher: The consumer's.
        partitions: What others wait for stays.
        seconds: How long to wait for the first one.
    """
    with fetcher._subscriptions.fetch_context():
        fetched = _take_ready(fetcher, partitions)
        if not fetched and seconds:
            await _wait_for_fetch(fetcher, seconds)
            fetched = _take_ready(fetcher, partitions)
        return fetched


def _take_ready(fetcher: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Fetched]:
    fetched: dict[TopicPartition, Fetched] = {}
    if fetcher._subscriptions.reassignment_in_progress:
        return fetched
    for tp in list(fetcher._records):
        if tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        held = fetcher._records.pop(tp)
        fetcher._notify(fetcher._wait_consume_future)
        if type(held) is not FetchResult:
            held.check_raise()
        elif held.check_assignment(tp):
            run = take(held._partition_records)
            held._update_position()
            if run.end > run.first:
                fetched[tp] = run
    return fetched


async def _wait_for_fetch(fetcher: Any, seconds: float) -> None:
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=seconds)
    if done:
        # Raises what the broker refused, such as a missing authorisation.
        waiter.result()
    else:
        waiter.cancel()
