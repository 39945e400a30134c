"""
Digests of ids: XXH64 (Collet; xxhash.com), the same numbers on every machine.

`digest_of` is the library's; `digest_at` says the same of a part of a buffer, without a Python object for it.
"""

from typing import Final

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, eight_at

_P1: Final = np.uint64(11400714785074694791)
_P2: Final = np.uint64(14029467366897019727)
_P3: Final = np.uint64(1609587929392839161)
_P4: Final = np.uint64(9650029242287828579)
_P5: Final = np.uint64(2870177450012600261)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def digest_of(text: bytes, seed: int = 0) -> int:
    """Return the digest of a text."""
    return xxhash.xxh64_intdigest(text, seed)


def digest_of_id(user: str) -> int:
    """Return the digest of an id as events carry it: of the text between its quotes in JSON."""
    return digest_of(escaped(user))


def escaped(text: str) -> bytes:
    """Return what stands between the quotes when a text is written in JSON."""
    return msgspec.json.encode(text)[1:-1]


@compiled
def word(buffer: NDArray[np.uint8], at: int, n: int) -> np.uint64:
    """Return `n` bytes, 1 to 8, as a little-endian number. Eight must be readable."""
    return eight_at(buffer, at) & (_ALL >> np.uint64(64 - 8 * n))


@compiled
def _rotated(value: np.uint64, by: int) -> np.uint64:
    return (value << np.uint64(by)) | (value >> np.uint64(64 - by))


@compiled
def _round(lane: np.uint64, value: np.uint64) -> np.uint64:
    return _rotated(lane + value * _P2, 31) * _P1


@compiled
def digest_at(buffer: NDArray[np.uint8], start: int, length: int, seed: np.uint64) -> np.uint64:
    """Return the digest of `length` bytes of a buffer from `start` on. Eight more must be readable."""
    at, end = start, start + length
    if length >= 32:
        one, two, three, four = seed + _P1 + _P2, seed + _P2, seed, seed - _P1
        while at + 32 <= end:
            one = _round(one, eight_at(buffer, at))
            two = _round(two, eight_at(buffer, at + 8))
            three = _round(three, eight_at(buffer, at + 16))
            four = _round(four, eight_at(buffer, at + 24))
            at += 32
        value = _rotated(one, 1) + _rotated(two, 7) + _rotated(three, 12) + _rotated(four, 18)
        value = (value ^ _round(np.uint64(0), one)) * _P1 + _P4
        value = (value ^ _round(np.uint64(0), two)) * _P1 + _P4
        value = (value ^ _round(np.uint64(0), three)) * _P1 + _P4
        value = (value ^ _round(np.uint64(0), four)) * _P1 + _P4
    else:
        value = seed + _P5
    value += np.uint64(length)
    while at + 8 <= end:
        value = _rotated(value ^ _round(np.uint64(0), eight_at(buffer, at)), 27) * _P1 + _P4
        at += 8
    if at + 4 <= end:
        value = _rotated(value ^ (word(buffer, at, 4) * _P1), 23) * _P2 + _P3
        at += 4
    while at < end:
        value = _rotated(value ^ (np.uint64(buffer[at]) * _P5), 11) * _P1
        at += 1
    value = (value ^ (value >> np.uint64(33))) * _P2
    value = (value ^ (value >> np.uint64(29))) * _P3
    return value ^ (value >> np.uint64(32))
