"""
From columns to Kafka record batches: the way back from `pipeline/parsing.py`.

aiokafka's builder takes a record at a time (1.3 us each with the calls around it). Here a compiled loop writes the
records of a whole batch. What is left to aiokafka is what it does for any batch: whose turn it is, and the sequence
numbers of an idempotent producer, which it gives to a batch when it takes it.

The format is Kafka's version 2: <https://kafka.apache.org/documentation/#recordbatch>. Uses names of aiokafka 0.14.0
that begin with an underscore: the version is pinned for that reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np
from aiokafka.codec import snappy_encode
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, put
from pipeline.state.packed import Packed

Header = tuple[str, bytes]

Record = tuple[bytes | None, bytes | None, int, Sequence[Header]]
"""Key, value, Kafka timestamp in Unix ms, headers."""

BATCH_BYTES: Final = 512 << 10
"""Below the broker's limit of 1 MiB for a batch, even if its records cannot be compressed."""

_HEADER: Final = Struct(">qiibIhiqqqhii")
"""
Base offset, which is the broker's to set, length of what follows, leader epoch, magic, checksum of what follows; then
attributes, last offset, first and greatest timestamp, producer's id, epoch and first sequence number, records.
"""
_CHECKSUM: Final = Struct(">I")
_LENGTH_ENDS: Final = 12
_CHECKSUM_AT: Final = 17
_CHECKSUM_ENDS: Final = 21
_NO_EPOCH: Final = -1
_NOBODY: Final = -1
_MAGIC: Final = 2

_MOST_OVERHEAD: Final = 1 + 5 * 10
"""Bytes that a record takes at most besides its key, its value and its headers: attributes and five numbers."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Records for one partition, in their order: columns of n."""

    keys: Packed
    values: Packed
    times: NDArray[np.int64]
    """Kafka timestamps, Unix ms."""
    headers: Packed
    """As they stand in a record: `encode_headers`."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Columns":
        """Return records that came one by one."""
        keys, values, times, headers = zip(*records, strict=True)
        encoded = Packed.of([encode_headers(each) for each in headers])
        return cls(Packed.of(keys), Packed.of(values), np.array(times, np.int64), encoded)

    @classmethod
    def alike(cls, keys: Packed, values: Packed, time: int, headers: Sequence[Header]) -> "Columns":
        """Return records of one time and with the same headers."""
        n = len(keys)
        text = Packed.of([encode_headers(headers)])
        return cls(keys, values, np.full(n, time), text.select(np.zeros(n, np.int64)))


def encode_headers(headers: Sequence[Header]) -> bytes:
    """Return headers as they stand in a record: how many there are, then the length and the text of each part."""
    parts = [_varint(len(headers))]
    for key, value in headers:
        for text in (key.encode(), value):
            parts += (_varint(len(text)), text)
    return b"".join(parts)


def _varint(length: int) -> bytes:
    """Return a length as a zigzag number."""
    raw, out = length << 1, bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


@compiled
def _put_varint(out: NDArray[np.uint8], at: int, number: int) -> int:
    """Write a zigzag number, and return where it ends."""
    raw = np.uint64(number << 1) ^ np.uint64(number >> 63)
    while raw > np.uint64(0x7F):
        out[at] = np.uint8(raw & np.uint64(0x7F)) | np.uint8(0x80)
        raw >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(raw)
    return at + 1


@compiled
def _varint_size(number: int) -> int:
    raw, size = np.uint64(number << 1) ^ np.uint64(number >> 63), 1
    while raw > np.uint64(0x7F):
        raw >>= np.uint64(7)
        size += 1
    return size


@compiled
def _put_text(out: NDArray[np.uint8], at: int, buffer: NDArray[np.uint8], start: int, end: int) -> int:
    """Write the length of a text and the text; -1 stands for one that is missing."""
    if start < 0:
        return _put_varint(out, at, -1)
    return put(out, _put_varint(out, at, end - start), buffer, start, end)


@compiled
def _text_size(start: int, end: int) -> int:
    return 1 if start < 0 else _varint_size(end - start) + end - start


@compiled
def _fill(
    out: NDArray[np.uint8],
    most: int,
    at: int,
    count: int,
    base_time: int,
    keys: NDArray[np.uint8],
    key_starts: NDArray[np.int64],
    key_ends: NDArray[np.int64],
    values: NDArray[np.uint8],
    value_starts: NDArray[np.int64],
    value_ends: NDArray[np.int64],
    headers: NDArray[np.uint8],
    header_starts: NDArray[np.int64],
    header_ends: NDArray[np.int64],
    times: NDArray[np.int64],
    first: int,
) -> tuple[int, int]:
    """
    Write records from place `first` on, up to `most` bytes of them, but at least one of a batch.

    Returns:
        The place of the first that did not fit, and where they end.
    """
    for i in range(first, len(times)):
        offset, time = count + i - first, times[i] - base_time
        size = (
            1
            + _varint_size(time)
            + _varint_size(offset)
            + _text_size(key_starts[i], key_ends[i])
            + _text_size(value_starts[i], value_ends[i])
            + header_ends[i]
            - header_starts[i]
        )
        if at and at + _varint_size(size) + size > most:
            return i, at
        at = _put_varint(out, at, size)
        out[at] = 0
        at = _put_varint(out, at + 1, time)
        at = _put_varint(out, at, offset)
        at = _put_text(out, at, keys, key_starts[i], key_ends[i])
        at = _put_text(out, at, values, value_starts[i], value_ends[i])
        at = put(out, at, headers, header_starts[i], header_ends[i])
    return len(times), at


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a batch's header says of its records."""

    count: int
    first_time: int
    last_time: int


class RecordBatch:
    """A batch with all its records: stands in for aiokafka's `BatchBuilder`."""

    def __init__(self, records: memoryview, summary: _Summary) -> None:
        """Compress records, and keep no reference to them."""
        # In one block: after each the thread has to ask for the interpreter lock.
        packed: bytes = snappy_encode(records, xerial_blocksize=len(records))
        is_shorter = len(packed) < len(records)
        # Rows and documents shrink to a third. Not lz4: aiokafka compresses with its level 9, seven times slower.
        self._codec = DefaultRecordBatch.CODEC_SNAPPY if is_shorter else DefaultRecordBatch.CODEC_NONE
        self._records = packed if is_shorter else bytes(records)
        self._summary = summary
        self._producer = (_NOBODY, _NOBODY, _NOBODY)
        self._built: bytearray | None = None

    def record_count(self) -> int:
        """Return the number of records."""
        return self._summary.count

    def closed(self) -> bool:
        """Tell aiokafka that there is nothing to wait for."""
        return True

    def append(self, **_: object) -> None:
        """Take no record that is sent by itself: aiokafka then makes a batch of its own for it."""

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        """Return the bytes to send; a retry sends the same."""
        if self._built is None:
            length, said = _HEADER.size - _LENGTH_ENDS + len(self._records), self._summary
            body = (self._codec, said.count - 1, said.first_time, said.last_time, *self._producer, said.count)
            self._built = bytearray(_HEADER.pack(0, length, _NO_EPOCH, _MAGIC, 0, *body))
            self._built += self._records
            _CHECKSUM.pack_into(self._built, _CHECKSUM_AT, calc_crc32c(memoryview(self._built)[_CHECKSUM_ENDS:]))
            del self._records
        return self._built


class _Draft:
    """Makes one batch after the other, in the same memory."""

    def __init__(self) -> None:
        self._most = BATCH_BYTES - _HEADER.size
        self._out = np.empty(self._most, np.uint8)
        self._size = self._first_time = self._last_time = 0
        self.count = 0

    def fill(self, records: Columns, first: int) -> int:
        """
        Add records from a place on, and return the place of the first that did not fit.

        A record that is longer than a batch may be is one by itself.
        """
        if not self.count:
            self._first_time = self._last_time = int(records.times[first])
            parts = (records.keys, records.values, records.headers)
            alone = _MOST_OVERHEAD + sum(int(part.ends[first] - part.starts[first]) for part in parts)
            if alone > len(self._out):
                self._out = np.empty(alone, np.uint8)
        texts = (*records.keys.columns, *records.values.columns, *records.headers.columns)
        end, self._size = _fill(
            self._out, self._most, self._size, self.count, self._first_time, *texts, records.times, first
        )
        if end > first:
            self.count += end - first
            self._last_time = max(self._last_time, int(records.times[first:end].max()))
        return end

    def finished(self) -> RecordBatch:
        """Return the batch, and begin anew."""
        batch = RecordBatch(self._out[: self._size].data, _Summary(self.count, self._first_time, self._last_time))
        self._size = self.count = 0
        return batch


def record_batches(pieces: Iterable[Columns]) -> Iterator[RecordBatch]:
    """Yield batches with the records of all pieces, in their order; each is made when it is asked for."""
    draft = _Draft()
    for records in pieces:
        place = 0
        while (place := draft.fill(records, place)) < len(records.times):
            yield draft.finished()
    if draft.count:
        yield draft.finished()
