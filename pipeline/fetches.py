"""
What a fetch response holds, a Kafka record batch at a time.

Stock aiokafka builds a `ConsumerRecord` of eleven fields for each record (2.6 us). Whoever takes a fetch here looks at
the batches' headers only. The records are parsed where they are wanted: into objects of an offset, a key and a value
(0.3 us), or into columns (parsing.py), in another thread of the worker's.

Uses names of aiokafka 0.14.0 that begin with an underscore: the version is pinned for that reason.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

_LOG_OVERHEAD: Final = 12
"""Bytes before a batch's body: base offset and length."""

_LENGTH_AT: Final = 8
_COUNT_AT: Final = 57
_RECORDS_AT: Final = 61

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
        """
        Return the records, without compression.

        Raises:
            CorruptRecordException: The compression is none that Kafka knows.
        """
        payload, codec = self.data[_RECORDS_AT:], self.header.compression_type
        if codec == DefaultRecordBatch.CODEC_NONE:
            return payload
        if codec not in _DECODERS:
            raise CorruptRecordException(
                f"the record batch at offset {self.header.base_offset} has the unknown compression {codec}"
            )
        return _DECODERS[codec](payload)

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

    def records(self) -> Iterator[DefaultRecord]:
        """Yield the records as aiokafka's own, which have an offset, a key and a value: dear, where there are many."""
        for batch in self.batches:
            for record in batch.header:
                # A batch may begin earlier than the position.
                if record.offset >= self.first:
                    yield record


def take(partition_records: PartitionRecords) -> Fetched:
    """
    Take what a fetch holds for a partition, and move its position on.

    Keeps what the stock iterator guarantees: CRC checks, control batches and aborted transactions left out, positions
    that pass over what compaction removed.

    Raises:
        CorruptRecordException: A batch's checksum is wrong.
    """
    # The iterator that nobody uses refers to its owner: both, and the bytes, would wait for the garbage collector.
    partition_records._records_iterator = None
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
