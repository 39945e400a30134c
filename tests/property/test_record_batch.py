"""Record batches made from columns: byte for byte what aiokafka's own builder makes, read back as what was put in."""

import random
import struct
from collections.abc import Iterator, Sequence
from typing import Final
from unittest.mock import patch

from aiokafka.codec import snappy_decode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from pipeline import record_batch
from pipeline.record_batch import Columns, Record, RecordBatch, record_batches
from pipeline.state.packed import Packed

LARGE: Final = 1 << 20
_LENGTH_AT, _CRC_AT, _ATTRIBUTES_AT, _CODEC_AT, _RECORDS_AT = 8, 17, 21, 22, 61

# Lengths on both sides of where a varint takes a byte more, and texts that can and cannot be compressed.
texts = st.one_of(
    st.binary(max_size=70),
    st.builds(bytes, st.integers(0, 300)),
    st.integers(8_000, 8_400).map(lambda size: random.Random(size).randbytes(size)),
)
times = st.one_of(st.integers(0, 1 << 45), st.integers(1_700_000_000_000, 1_700_000_000_100))
headers = st.lists(st.tuples(st.text(max_size=70), st.binary(max_size=100)), max_size=3)
records = st.tuples(st.none() | texts, st.none() | texts, times, headers)
runs = st.tuples(st.lists(st.tuples(st.none() | texts, st.none() | texts), min_size=1, max_size=300), times, headers)


def read(batches: Sequence[RecordBatch]) -> Iterator[Record]:
    """Yield what aiokafka's consumer reads."""
    for batch in batches:
        stored = MemoryRecords(bytes(batch._build()))
        found = stored.next_batch()
        assert found.validate_crc()
        assert not stored.has_next()
        held = list(found)
        assert batch.record_count() == len(held)
        assert [record.offset for record in held] == list(range(len(held)))
        assert found.max_timestamp == max(record.timestamp for record in held)
        for record in held:
            yield record.key, record.value, record.timestamp, record.headers


def stock(records: Sequence[Record], producer: tuple[int, int, int]) -> bytes:
    """Return the batch that aiokafka makes of the records, without compression."""
    builder = DefaultRecordBatchBuilder(
        2, DefaultRecordBatch.CODEC_NONE, is_transactional=False, producer_id=producer[0],
        producer_epoch=producer[1], base_sequence=producer[2], batch_size=LARGE,
    )  # fmt: skip
    for offset, (key, value, time, headers) in enumerate(records):
        assert builder.append(offset, time, key, value, headers)
    return bytes(builder.build())


def unpacked(data: bytes) -> bytes:
    """Return the same batch without compression."""
    if data[_CODEC_AT] == DefaultRecordBatch.CODEC_NONE:
        return data
    assert data[_CODEC_AT] == DefaultRecordBatch.CODEC_SNAPPY
    plain = bytearray(data[:_RECORDS_AT] + snappy_decode(data[_RECORDS_AT:]))
    assert len(plain) > len(data)
    plain[_CODEC_AT] = DefaultRecordBatch.CODEC_NONE
    struct.pack_into(">i", plain, _LENGTH_AT, len(plain) - _LENGTH_AT - 4)
    struct.pack_into(">I", plain, _CRC_AT, calc_crc32c(plain[_ATTRIBUTES_AT:]))
    return bytes(plain)


@given(
    st.lists(records, min_size=1, max_size=40),
    st.tuples(st.integers(-1, 1 << 40), st.integers(-1, 1 << 14), st.integers(-1, 1 << 30)),
)
def test_a_batch_is_what_aiokafka_makes_of_the_same_records(
    records: list[Record], producer: tuple[int, int, int]
) -> None:
    """The same bytes, but for the compression: lengths, times, missing parts, headers, the producer's numbers."""
    with patch.object(record_batch, "BATCH_BYTES", LARGE):
        (batch,) = record_batches([Columns.of(records)])
    batch._set_producer_state(*producer)
    assert unpacked(bytes(batch._build())) == stock(records, producer)
    assert batch._build() is batch._build()


@given(st.lists(runs, min_size=1, max_size=3), st.sampled_from([100, 1_000, 20_000]))
def test_all_records_are_read_back_in_order_however_many_batches_they_take(
    runs: list[tuple[list[tuple[bytes | None, bytes | None]], int, list[tuple[str, bytes]]]], most: int
) -> None:
    """No batch is longer than it may be, but for that of one record which is longer by itself."""
    pieces = [Columns.alike(*Packed.of_pairs(pairs), time, headers) for pairs, time, headers in runs]
    with patch.object(record_batch, "BATCH_BYTES", most):
        batches = list(record_batches(pieces))
    expected = [(*pair, time, headers) for pairs, time, headers in runs for pair in pairs]
    assert list(read(batches)) == expected
    assert all(len(batch._build()) <= most or batch.record_count() == 1 for batch in batches)
    # What follows begins a new batch only if it has to.
    assert len(batches) <= 1 + sum(len(stock([record], (-1, -1, -1))) for record in expected) // max(1, most // 2)
