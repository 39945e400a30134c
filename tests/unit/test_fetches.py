"""Fetches taken a record batch at a time hold what the stock consumer would have given."""

import gc
import struct
import weakref
from collections.abc import Sequence
from typing import Any, Final

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from pipeline import parsing
from pipeline.errors import ContractError
from pipeline.fetches import RawRecords, take
from pipeline.parsing import parsed

TP: Final = TopicPartition("clout.likes", 0)
ABORT, COMMIT = 0, 1
_ATTRIBUTES: Final = 21
_CRC: Final = 17
_LAST_DELTA: Final = 23
_CONTROL: Final = 0x20


def batch(
    base: int,
    offsets: Sequence[int],
    *,
    last: int | None = None,
    producer: int = -1,
    transactional: bool = False,
    compression: int = 0,
    control: int | None = None,
) -> bytes:
    """
    Return a record batch as a broker stores it.

    Args:
        base: Offset of the first record it ever had.
        offsets: Of the records that compaction left.
        last: Offset of the last record it ever had.
        producer: -1 for none.
        transactional: Belongs to a transaction.
        compression: Of aiokafka's codecs.
        control: `ABORT` or `COMMIT` makes it a marker.
    """
    builder = DefaultRecordBatchBuilder(
        2, compression, is_transactional=transactional, producer_id=producer, producer_epoch=0, base_sequence=0,
        batch_size=1 << 20,
    )  # fmt: skip
    for offset in offsets:
        key = struct.pack(">hh", 0, control) if control is not None else b"k%d" % offset
        value: bytes | None = None if offset % 5 == 4 else b"value of %d" % offset
        made = builder.append(offset - base, 1_000 + offset, key if offset % 7 else None, value, [("h", b"x")])
        assert made is not None
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base)
    if last is not None:
        struct.pack_into(">i", data, _LAST_DELTA, last - base)
    if control is not None:
        attributes = struct.unpack_from(">h", data, _ATTRIBUTES)[0]
        struct.pack_into(">h", data, _ATTRIBUTES, attributes | _CONTROL)
    struct.pack_into(">I", data, _CRC, calc_crc32c(data[_ATTRIBUTES:]))
    return bytes(data)


def fetch(
    data: bytes, position: int, *, aborted: Sequence[tuple[int, int]] = (), isolation: int = READ_COMMITTED
) -> PartitionRecords:
    """Return a fetch's records of one partition, as the fetcher holds them."""
    return PartitionRecords(TP, RawRecords(data), list(aborted), position, None, None, True, isolation)


def stock(source: PartitionRecords) -> tuple[list[tuple[Any, ...]], int]:
    """Return what the stock iterator gives, and the next position."""
    rows = [(record.offset, record.timestamp, record.key, record.value) for record in source]
    return rows, source.next_fetch_offset


def ours(source: PartitionRecords) -> tuple[list[tuple[Any, ...]], int]:
    """Return the same by `take`."""
    first = source.next_fetch_offset
    fetched = take(source)
    records = parsed(fetched)
    assert records.first == fetched.first == first
    assert records.end == fetched.end == source.next_fetch_offset
    objects = [(record.offset, record.timestamp, record.key, record.value) for record in fetched.records()]
    columns = list(zip(records.offsets, records.timestamps, records.keys, records.values, strict=True))
    assert columns == objects
    return columns, fetched.end


def many(first: int, n: int, size: int, **options: Any) -> bytes:
    """Return `n` records from `first` on in batches of `size`."""
    return b"".join(
        batch(base, range(base, min(base + size, first + n)), **options) for base in range(first, first + n, size)
    )


TRANSACTIONS: Final = (
    batch(0, range(5), producer=1, transactional=True)
    + batch(5, range(5, 8), producer=2, transactional=True)
    + batch(8, [8], producer=1, transactional=True, control=ABORT)
    + batch(9, range(9, 12), producer=1, transactional=True)
    + batch(12, [12], producer=2, transactional=True, control=COMMIT)
    + batch(13, [13], producer=1, transactional=True, control=COMMIT)
    + batch(14, range(14, 20))
)
"""Producer 1 aborts its first transaction and commits its second, amid another's and records without any."""

MARKED: Final = (
    batch(0, [0], producer=1, transactional=True)
    + batch(1, [1], producer=1, transactional=True, control=COMMIT)
    + batch(2, [2])
)

CASES: Final[dict[str, tuple[bytes, int, list[tuple[int, int]]]]] = {
    "one batch": (many(0, 10, 10), 0, []),
    "several batches": (many(0, 100, 7), 0, []),
    "far in the log": (many((1 << 40) + 3, 50, 9), (1 << 40) + 3, []),
    "a batch that begins before the position": (many(10, 20, 10), 14, []),
    "the position on a batch's last record": (many(0, 30, 10), 9, []),
    "a batch wholly before the position": (many(0, 30, 10), 10, []),
    "everything before the position": (many(0, 10, 10), 10, []),
    "nothing": (b"", 5, []),
    "compressed": (many(10, 40, 10, compression=1), 13, []),
    "an idempotent producer": (many(0, 20, 5, producer=9), 3, []),
    "compaction within a batch": (batch(0, [1, 4, 9], last=9) + batch(10, [12, 13], last=19), 0, []),
    "compaction of a batch's end": (batch(0, [2, 3], last=9), 0, []),
    "compaction up to the position": (batch(0, [2, 3], last=9), 5, []),
    "compaction between batches": (batch(0, [0], last=0) + batch(50, [50, 51], last=51), 0, []),
    "a position within a gap": (batch(0, [0, 9], last=9) + batch(30, [30]), 4, []),
    "a marker between": (MARKED, 0, []),
    "a marker at the end": (many(0, 3, 3) + batch(3, [3], producer=4, transactional=True, control=COMMIT), 0, []),
    "only a marker": (batch(3, [3], producer=4, transactional=True, control=ABORT), 3, []),
    "an aborted transaction": (TRANSACTIONS, 0, [(1, 0)]),
    "an aborted transaction that began before": (TRANSACTIONS, 3, [(1, 0)]),
    "two aborted transactions": (TRANSACTIONS, 0, [(2, 5), (1, 0)]),
    "no list of aborted ones": (TRANSACTIONS, 0, []),
}  # fmt: skip


@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED], ids=["committed", "uncommitted"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_records_and_the_same_next_position_as_the_stock_consumer(case: str, isolation: int) -> None:
    """Offsets, timestamps, keys and values, and where to go on."""
    data, position, aborted = CASES[case]
    expected = stock(fetch(data, position, aborted=aborted, isolation=isolation))
    assert ours(fetch(data, position, aborted=aborted, isolation=isolation)) == expected


def test_a_batch_wholly_before_the_position_is_left_out() -> None:
    """No broker sends one; the stock consumer would go back to its end."""
    rows, end = ours(fetch(many(0, 30, 10), 14))
    assert ([offset for offset, *_ in rows], end) == (list(range(14, 30)), 30)


def test_an_aborted_transaction_is_left_out() -> None:
    """Once, in plain words: what was aborted is not read, and the position moves over it."""
    rows, end = ours(fetch(TRANSACTIONS, 0, aborted=[(1, 0)]))
    assert [offset for offset, *_ in rows] == [5, 6, 7, 9, 10, 11, *range(14, 20)]
    assert end == 20


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_wrong_checksum_is_an_error_and_no_record_is_taken(broken: int) -> None:
    """Whichever batch it is: nothing of the fetch is handed on, so that it is fetched again."""
    parts = [bytearray(batch(base, range(base, base + 5))) for base in (0, 5, 10)]
    parts[broken][-1] ^= 0xFF
    with pytest.raises(CorruptRecordException, match="checksum"):
        take(fetch(b"".join(parts), 0))


def test_an_unknown_compression_is_an_error_that_says_where() -> None:
    """A broker newer than this reader, or a damaged one."""
    data = bytearray(batch(7, range(7, 12)))
    struct.pack_into(">h", data, _ATTRIBUTES, 6)
    struct.pack_into(">I", data, _CRC, calc_crc32c(bytes(data[_ATTRIBUTES:])))
    fetched = take(fetch(bytes(data), 7))
    with pytest.raises(CorruptRecordException, match="at offset 7 has the unknown compression 6"):
        parsed(fetched)


def test_a_fetch_without_records_still_moves_the_position() -> None:
    """Markers and compacted batches: an empty run that covers their offsets."""
    data = batch(3, [3], producer=4, transactional=True, control=COMMIT) + batch(4, [], last=9)
    records = parsed(take(fetch(data, 3)))
    assert (records.first, records.end, len(records)) == (3, 10, 0)


def test_records_are_parsed_when_they_are_asked_for() -> None:
    """Taking walks over headers only: the batches are left for the thread that folds."""
    fetched = take(fetch(many(0, 100, 10), 0))
    assert len(fetched.batches) == 10
    assert all(isinstance(held.header, DefaultRecordBatch) for held in fetched.batches)
    assert len(parsed(fetched)) == 100


def test_the_part_of_a_run_since_a_position() -> None:
    """After a seek a fetch may begin before the fold does: the rest of it is folded."""
    records = parsed(take(fetch(batch(0, [1, 4, 9], last=9), 0)))
    assert records.since(4).offsets.tolist() == [4, 9]
    assert records.since(5).offsets.tolist() == [9]
    rest = records.since(10)
    assert (rest.first, rest.end, len(rest.offsets), list(rest.values)) == (10, 10, 0, [])


def test_what_was_taken_is_freed_at_once() -> None:
    """Each fetch's bytes are: the garbage collector seldom comes, and would leave minutes of traffic in memory."""
    source = fetch(batch(0, [0, 1]), 0)
    freed = weakref.ref(source)
    gc.disable()
    try:
        fetched = take(source)
        del source
        assert freed() is None
    finally:
        gc.enable()
    assert fetched.end == 2


def test_what_nobody_can_have_meant_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may unpack to gigabytes; places in them would not fit the columns. The message names the batch."""
    fetched = take(fetch(batch(7, [7, 8]) + batch(9, [9, 10]), 7))
    sizes = [len(each.payload()) for each in fetched.batches]
    monkeypatch.setattr(parsing, "MOST_BYTES", sum(sizes))
    assert len(parsed(fetched)) == 4
    monkeypatch.setattr(parsing, "MOST_BYTES", sum(sizes) - 1)
    with pytest.raises(ContractError, match="offset 9 unpacks to more than"):
        parsed(fetched)
