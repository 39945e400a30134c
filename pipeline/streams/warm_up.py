"""Loads what is compiled, of the state and of the ways to it and from it: the first records must not wait for it."""

from typing import Final

from aiokafka.record.memory_records import MemoryRecords

from pipeline.fetches import Batch, Fetched
from pipeline.parsing import parsed
from pipeline.record_batch import Columns, record_batches
from pipeline.state.warm_up import warm_up as warm_up_state

_RECORD: Final = (b"key", b"value", 0, ())


def warm_up() -> None:
    """Call every compiled function once: from the cache on disk in some tenths of a second, else in some seconds."""
    warm_up_state()
    for made in record_batches([Columns.of([_RECORD])]):
        data = bytes(made._build())  # noqa: SLF001 - what aiokafka calls, and nobody else does
        parsed(Fetched(0, 1, [Batch(MemoryRecords(data).next_batch(), data)]))
