"""Reading ahead: what another thread reads is what the fold would have read."""

import asyncio

import numpy as np
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from pipeline.fetches import Fetched, RawRecords, take
from pipeline.state.decode import EventDecoder, read_ahead
from pipeline.state.records import Records
from pipeline.state.sources import POSTS, PROFILES
from pipeline.streams.read_ahead import SMALL, ReadAhead
from schemas import Engagement
from tests.unit.state.log import crowd, engagement, log_of

LOG = log_of(*[engagement(event.actor, time=event.time, kind="like") for event in crowd(50)])
LIKES = LOG.run(0, 0, 50)
RECORD_LIMIT = 65_536


def fetched(first: int, n: int, size: int) -> Fetched:
    """Return `n` records of `size` bytes as they are fetched."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 64 << 20)
    for offset in range(n):
        builder.append(offset, 1_000, b"n:b", b"x" * size, [])
    data = bytes(builder.build())
    tp = TopicPartition("clout.likes", 0)
    return take(PartitionRecords(tp, RawRecords(data), [], first, None, None, True, READ_COMMITTED))


def test_what_was_read_ahead_is_what_the_fold_reads() -> None:
    """Whole, the part behind a position, and some of the records."""
    ahead, decoder = read_ahead(0, LIKES), EventDecoder(Engagement, RECORD_LIMIT, "like")
    assert LIKES.scanned is None
    assert ahead.scanned is not None
    for of in (lambda run: run, lambda run: run.since(20), lambda run: run.pick(np.array([3, 1, 40]))):
        want, seen = decoder.decode(of(LIKES), []), decoder.decode(of(ahead), [])
        assert seen.events.tolist() == want.events.tolist()
        assert list(seen.keys) == list(want.keys)


@pytest.mark.parametrize("source", [POSTS, PROFILES])
def test_posts_are_read_ahead_and_profiles_are_not(source: int) -> None:
    """Profiles are too few to be scanned; likes are no posts."""
    ahead = read_ahead(source, LIKES)
    assert (ahead.scanned is None) == (source == PROFILES)
    assert ahead.scanned is None or not ahead.scanned["is_read"].any()


async def test_small_fetches_are_read_at_once_and_large_ones_in_order() -> None:
    """Whatever their size, they say the same."""
    reader = ReadAhead()
    try:
        small = reader.start(0, fetched(0, 3, 10))
        assert isinstance(small, Records)
        large = [reader.start(0, fetched(0, n, SMALL)) for n in (2, 3, 4)]
        runs = [await reading for reading in large if isinstance(reading, asyncio.Future)]
    finally:
        reader.stop()
    assert [len(run) for run in (small, *runs)] == [3, 2, 3, 4]
    assert all(run.scanned is not None and not run.scanned["is_read"].any() for run in runs)


async def test_what_cannot_be_read_is_an_error_where_it_is_awaited() -> None:
    """Nothing of such a fetch is folded."""
    reader, whole = ReadAhead(), fetched(0, 2, SMALL)
    [batch] = whole.batches
    torn = Fetched(0, 2, [type(batch)(batch.header, batch.data[:-5])])
    try:
        reading = reader.start(0, torn)
        assert isinstance(reading, asyncio.Future)
        with pytest.raises(CorruptRecordException):
            await reading
    finally:
        reader.stop()
