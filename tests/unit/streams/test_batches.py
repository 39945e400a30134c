"""Writing many records at once: everything is sent, in order, or an error says that nothing may be committed."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.record.memory_records import MemoryRecords

from pipeline.errors import ChangelogWriteError
from pipeline.record_batch import BATCH_BYTES, RecordBatch
from pipeline.state.packed import Packed
from pipeline.streams.batches import Acknowledged, BatchWriter


class Producer:
    """Keeps the batches that it is handed, as a broker would get them."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.sent: list[tuple[str, int, bytes]] = []
        self._fault = fault

    async def send_batch(self, batch: RecordBatch, topic: str, *, partition: int) -> Any:
        """Keep a batch, or promise an error."""
        acknowledged = asyncio.get_running_loop().create_future()
        if self._fault is not None:
            acknowledged.set_exception(self._fault)
        else:
            acknowledged.set_result(SimpleNamespace(offset=len(self.records(topic, partition))))
            self.sent.append((topic, partition, bytes(batch._build())))
        return acknowledged

    def records(self, topic: str, partition: int) -> list[Any]:
        """Return the records sent to a partition, in order."""
        found: list[Any] = []
        for name, number, data in self.sent:
            if (name, number) == (topic, partition):
                memory = MemoryRecords(data)
                while memory.has_next():
                    found += list(memory.next_batch())
        return found


async def test_every_record_is_sent_in_order_however_many_batches_it_takes() -> None:
    """Keys, values, headers and times as they were added, one by one or many at a time, by topic and partition."""
    producer = Producer()
    writer = BatchWriter(producer)  # type: ignore[arg-type]
    for i in range(500):
        writer.add("rows", i % 2, b"k%d" % i, b"v" * (i % 90 * 100), 7_000 + i, [("n", b"%d" % i)])
    many = [(b"m%d" % i, b"w" * i) for i in range(1_500)]
    writer.extend("rows", 0, *Packed.of_pairs(many), 9_000, [("n", b"many")])
    writer.add("rows", 0, b"last", b"one", 9_001)
    writer.add("scores", 0, b"k", None, 1)
    await writer.flush()
    # 2.2 MB, 1.1 MB, and one record.
    assert len(producer.sent) == 5 + 3 + 1
    for number, after in ((0, [*many, (b"last", b"one")]), (1, [])):
        records = producer.records("rows", number)
        before = [(b"k%d" % i, b"v" * (i % 90 * 100)) for i in range(number, 500, 2)]
        assert [(record.key, record.value) for record in records] == before + after
        assert [record.timestamp for record in records[:250]] == [7_000 + i for i in range(number, 500, 2)]
        assert records[3].headers == [("n", b"%d" % (number + 6))]
    assert [(r.timestamp, r.headers) for r in producer.records("rows", 0)[-2:]] == [
        (9_000, [("n", b"many")]),
        (9_001, []),
    ]
    assert producer.records("scores", 0)[0].value is None


async def test_a_writer_without_records_sends_nothing() -> None:
    """A partition where nothing happened costs no request."""
    producer = Producer()
    writer = BatchWriter(producer)  # type: ignore[arg-type]
    writer.extend("rows", 0, *Packed.of_pairs([]), 1)
    await writer.flush()
    assert not producer.sent


async def test_a_record_longer_than_a_batch_is_sent_alone() -> None:
    """A megabyte among the dead letters is not dropped."""
    producer = Producer()
    writer = BatchWriter(producer)  # type: ignore[arg-type]
    values = [b"before", b"x" * (3 * BATCH_BYTES), b"after"]
    for value in values:
        writer.add("dead-letters", 0, b"k", value, 1)
    await writer.flush()
    assert [record.value for record in producer.records("dead-letters", 0)] == values
    assert len(producer.sent) == 3


async def test_what_was_flushed_is_not_sent_again() -> None:
    """A writer may go on."""
    producer = Producer()
    writer = BatchWriter(producer)  # type: ignore[arg-type]
    writer.add("rows", 0, b"a", b"1", 1)
    await writer.flush()
    writer.add("rows", 0, b"b", b"2", 1)
    await writer.flush()
    await writer.flush()
    assert [record.key for record in producer.records("rows", 0)] == [b"a", b"b"]


async def test_the_writer_knows_where_its_batches_stand() -> None:
    """Those of the last flush."""
    writer = BatchWriter(Producer())  # type: ignore[arg-type]
    for value in (b"1", b"x" * BATCH_BYTES, b"2"):
        writer.add("rows", 0, b"a", value, 1)
    await writer.flush()
    assert writer.acknowledged == {("rows", 0): [Acknowledged(0, 1), Acknowledged(1, 1), Acknowledged(2, 1)]}
    writer.add("rows", 0, b"b", b"2", 1)
    await writer.flush()
    assert writer.acknowledged == {("rows", 0): [Acknowledged(3, 1)]}


async def test_a_batch_that_is_not_acknowledged_is_an_error() -> None:
    """In one line it names the topic, says that nothing was committed, and where to look."""
    writer = BatchWriter(Producer(KafkaTimeoutError()))  # type: ignore[arg-type]
    writer.add("clout.engagement-changelog", 0, b"a", b"1", 1)
    says = r"^.*clout\.engagement-changelog.*nothing was committed.*disk is full.*start the worker again.*\Z"
    with pytest.raises(ChangelogWriteError, match=says):
        await writer.flush()
