"""
The records of a fetch in columns.

aiokafka's batches build an object, a key and a value for each record (0.3 us). Here a compiled loop walks over a
batch's bytes and notes where keys and values are.
"""

from typing import Final

import numpy as np
from aiokafka.errors import CorruptRecordException
from numpy.typing import NDArray

from pipeline.errors import ContractError
from pipeline.fetches import Fetched
from pipeline.state.compiled import compiled
from pipeline.state.packed import PADDING, Packed
from pipeline.state.records import Records

_LOG_APPEND_TIME: Final = 1

MOST_BYTES: Final = 256 << 20
"""Of what a fetch of one partition unpacks to: some hundred times what it is allowed packed."""


def parsed(fetched: Fetched) -> Records:
    """
    Return the records in columns. Those before `first` (a batch may begin earlier) are left out.

    Raises:
        CorruptRecordException: A batch does not hold what its header says.
        ContractError: Nobody can have meant what it unpacks to.
    """
    payloads: list[bytes] = []
    unpacked = 0
    for batch in fetched.batches:
        payloads.append(batch.payload())
        unpacked += len(payloads[-1])
        if unpacked > MOST_BYTES:
            raise ContractError(
                f"the record batch at offset {batch.header.base_offset} unpacks to more than {MOST_BYTES >> 20} MiB: "
                "no agent writes such; find out who did, and let the topic's retention remove it"
            )
    counts = [batch.count for batch in fetched.batches]
    text = b"".join((*payloads, PADDING))
    buffer = np.frombuffer(text, np.uint8)
    # A record takes some bytes: a greater count is a lie, and memory must not be made for it.
    found = np.zeros((_FIELDS, min(sum(counts), len(text))), np.int64)
    at, done = 0, 0
    for batch, payload, count in zip(fetched.batches, payloads, counts, strict=True):
        header, end = batch.header, at + len(payload)
        if count > len(payload) or not _walk(
            buffer, at, end, header.base_offset, header.first_timestamp, found, done, count
        ):
            raise CorruptRecordException(f"the record batch at offset {header.base_offset} cannot be read")
        if header.timestamp_type == _LOG_APPEND_TIME:
            found[_TIMESTAMP, done : done + count] = header.max_timestamp
        at, done = end, done + count
    offsets, timestamps, *spans = found
    run = Records(fetched.first, fetched.end, offsets, timestamps, Packed(text, *spans[:2]), Packed(text, *spans[2:]))
    return run if not len(run) or run.offsets[0] >= fetched.first else run.since(fetched.first)


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
