"""
From the bytes of records to columns, without a Python object per record.

The scanner reads JSON objects as agents write them: the contract's fields in any order, each once, strings without
escapes, numbers without signs and exponents. Whatever else it meets it marks as unread, valid or not, and leaves it to
`decode.py`: it never accepts what msgspec would refuse, and never reads anything else out of it.

Strings are checked to be valid UTF-8.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.state.compiled import compiled, eight_at, lowest_bit
from pipeline.state.packed import Packed
from pipeline.state.xxh64 import digest_at, word

SCANNED: Final = np.dtype(
    [
        ("id_high", "<u8"),  # digests of the id
        ("id_low", "<u8"),
        ("actor", "<u8"),  # digest of the actor's id
        ("user", "<u8"),  # digest of the target's id, or the author's
        ("time", "<i8"),  # Unix ms
        ("since", "<i8"),  # -1 without the stamp, as `nth` and `score`
        ("score", "<f8"),
        ("nth", "<i8"),
        ("user_at", "<i4"),  # where the target's id, or the author's, stands in the buffer
        ("user_length", "<i4"),
        ("actor_at", "<i4"),
        ("actor_length", "<i4"),
        ("object_at", "<i4"),
        ("object_length", "<i4"),
        ("tags_at", "<i4"),  # what stands between the brackets
        ("tags_length", "<i4"),
        ("is_read", "u1"),
        ("undo", "u1"),
        ("mutual", "u1"),
        ("own", "u1"),  # the actor is the target
        ("spare", "<u4"),
    ]
)
"""One record."""

_LONGEST_ID: Final = 512
_LONGEST_TAG: Final = 128
_MOST_TAGS: Final = 64
_DIGITS: Final = 15
"""More might not be exact in a float, or might not fit."""

_ONES, _HIGH_BITS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_SPACES, _QUOTES, _BACKSLASHES = _ONES * np.uint64(0x20), _ONES * np.uint64(0x22), _ONES * np.uint64(0x5C)
_QUOTE, _BACKSLASH, _COMMA, _COLON = ord('"'), ord("\\"), ord(","), ord(":")
_OPEN, _CLOSE, _ARRAY, _ARRAY_END = ord("{"), ord("}"), ord("["), ord("]")
_ZERO, _NINE, _POINT, _SPACE = ord("0"), ord("9"), ord("."), ord(" ")


def _number(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(text.encode(), "little"))


_ID, _KIND, _TIME, _UNDO, _TAGS = map(_number, ("id", "kind", "time", "undo", "tags"))
_ACTOR, _TARGET, _AUTHOR, _OBJECT, _MUTUAL = map(_number, ("actor", "target", "author", "object", "mutual"))
_NETWORK, _ACTOR_NT, _ACTOR_SC, _ACTOR_SI = map(_number, ("network", "actor_nt", "actor_sc", "actor_si"))
_H, _ORE, _NCE, _TRUE, _FALS = map(_number, ("h", "ore", "nce", "true", "fals"))
_KINDS: Final = np.array([_number(kind) for kind in ("like", "share", "comment", "follow")])
_KIND_LENGTHS: Final = np.array([4, 5, 7, 6])

_HAS_ID, _HAS_KIND, _HAS_NETWORK, _HAS_ACTOR, _HAS_USER, _HAS_TIME = 1, 2, 4, 8, 16, 32
_HAS_OBJECT, _HAS_UNDO, _HAS_TAGS, _HAS_SCORE, _HAS_NTH, _HAS_SINCE, _HAS_MUTUAL = 64, 128, 256, 512, 1024, 2048, 4096
_ENGAGEMENT: Final = _HAS_ID | _HAS_KIND | _HAS_NETWORK | _HAS_ACTOR | _HAS_USER | _HAS_TIME
_POST: Final = _HAS_ID | _HAS_NETWORK | _HAS_USER | _HAS_TIME


@compiled
def _past_space(buffer: NDArray[np.uint8], at: int, end: int) -> int:
    while at < end and (buffer[at] == _SPACE or buffer[at] == 10 or buffer[at] == 13 or buffer[at] == 9):
        at += 1
    return at


@compiled
def _character_end(buffer: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where a character ends that is not ASCII; -1 if it is not valid UTF-8 (Unicode 16, table 3-7)."""
    first, second = buffer[at], buffer[at + 1]
    low, high = 0x80, 0xBF
    if 0xC2 <= first <= 0xDF:
        length = 2
    elif 0xE0 <= first <= 0xEF:
        length = 3
        low = 0xA0 if first == 0xE0 else low
        high = 0x9F if first == 0xED else high
    elif 0xF0 <= first <= 0xF4:
        length = 4
        low = 0x90 if first == 0xF0 else low
        high = 0x8F if first == 0xF4 else high
    else:
        return -1
    if at + length > end or second < low or second > high:
        return -1
    for i in range(2, length):
        if (buffer[at + i] & 0xC0) != 0x80:
            return -1
    return at + length


@compiled
def _string_end(buffer: NDArray[np.uint8], at: int, end: int, longest: int, escapes: bool) -> int:
    """Return where the string ends that begins at `at` (behind its quote); -1 if it is not plain or too long."""
    characters = 0
    start = at
    while at < end:
        while at < end:
            # Eight bytes at once, as long as none of them needs to be looked at (Mycroft's test for a zero byte).
            eight = eight_at(buffer, at)
            quotes, slashes = eight ^ _QUOTES, eight ^ _BACKSLASHES
            odd = (quotes - _ONES) & ~quotes | (slashes - _ONES) & ~slashes | (eight - _SPACES) & ~eight | eight
            odd &= _HIGH_BITS
            plain = lowest_bit(odd) >> 3 if odd else 8
            at += plain
            characters += plain
            if odd:
                break
        if at >= end:
            return -1
        byte = buffer[at]
        if byte == _QUOTE:
            # The length of what is escaped was looked at when it was decoded.
            return at if at > start and (escapes or characters <= longest) else -1
        if byte < _SPACE:
            return -1
        if byte == _BACKSLASH:
            if not escapes:
                return -1
            at += 1
        at = at + 1 if byte < 0x80 else _character_end(buffer, at, end)
        if at < 0:
            return -1
        characters += 1
    return -1


@compiled
def _digits_end(buffer: NDArray[np.uint8], at: int, end: int) -> int:
    """Return where a plain number ends that begins at `at`; -1 if there is none, or a longer one."""
    start = at
    while at < end and _ZERO <= buffer[at] <= _NINE:
        at += 1
    length = at - start
    if length == 0 or length > _DIGITS or (length > 1 and buffer[start] == _ZERO):
        return -1
    return at


@compiled
def _value(buffer: NDArray[np.uint8], at: int, end: int) -> int:
    value = 0
    while at < end:
        value = value * 10 + (buffer[at] - _ZERO)
        at += 1
    return value


@compiled
def _tags_end(buffer: NDArray[np.uint8], at: int, end: int, escapes: bool) -> int:
    """Return where the array of strings ends that begins at `at` (behind its bracket); -1 if it is not a plain one."""
    if at < end and buffer[at] == _ARRAY_END:
        return at
    for _ in range(_MOST_TAGS):
        if at >= end or buffer[at] != _QUOTE:
            return -1
        at = _string_end(buffer, at + 1, end, _LONGEST_TAG, escapes)
        if at < 0 or at + 1 >= end:
            return -1
        at += 1
        if buffer[at] == _ARRAY_END:
            return at
        if buffer[at] != _COMMA:
            return -1
        at += 1
    return -1


@compiled
def _field(buffer: NDArray[np.uint8], at: int, length: int, is_post: bool) -> int:  # noqa: PLR0911
    """Return the flag of the field whose name stands at `at`; 0 for one that is not known."""
    first = word(buffer, at, min(length, 8))
    if is_post and length != 2 and first not in (_NETWORK, _AUTHOR, _TIME, _OBJECT, _TAGS, _UNDO):
        return 0
    if length == 2:
        return _HAS_ID if first == _ID else 0
    if length == 4:
        if first == _KIND:
            return _HAS_KIND
        if first == _TIME:
            return _HAS_TIME
        if first == _UNDO:
            return _HAS_UNDO
        return _HAS_TAGS if first == _TAGS else 0
    if length == 5:
        return _HAS_ACTOR if first == _ACTOR else 0
    if length == 6:
        if first == (_AUTHOR if is_post else _TARGET):
            return _HAS_USER
        if first == _OBJECT:
            return _HAS_OBJECT
        return _HAS_MUTUAL if first == _MUTUAL else 0
    if length == 7:
        return _HAS_NETWORK if first == _NETWORK else 0
    if length == 9:
        return _HAS_NTH if first == _ACTOR_NT and word(buffer, at + 8, 1) == _H else 0
    if length == 11:
        rest = word(buffer, at + 8, 3)
        if first == _ACTOR_SC and rest == _ORE:
            return _HAS_SCORE
        return _HAS_SINCE if first == _ACTOR_SI and rest == _NCE else 0
    return 0


@compiled
def _record(  # noqa: PLR0911, PLR0915
    buffer: NDArray[np.uint8], at: int, end: int, kind: int, escapes: bool, out: NDArray[np.void], i: int
) -> bool:
    """Read the record that stands in buffer[at:end] into out[i]; False if it is left to others."""
    is_post = kind >= len(_KINDS)
    seen = 0
    at = _past_space(buffer, at, end)
    if at >= end or buffer[at] != _OPEN:
        return False
    while True:
        at = _past_space(buffer, at + 1, end)
        if at >= end or buffer[at] != _QUOTE:
            return False
        start = at + 1
        at = _string_end(buffer, start, end, _LONGEST_TAG, False)
        if at < 0:
            return False
        field = _field(buffer, start, at - start, is_post)
        if field == 0 or seen & field:
            return False
        seen |= field
        at = _past_space(buffer, at + 1, end)
        if at >= end or buffer[at] != _COLON:
            return False
        at = _past_space(buffer, at + 1, end)
        if at >= end:
            return False
        start = at + 1
        if field & (_HAS_ID | _HAS_KIND | _HAS_NETWORK | _HAS_ACTOR | _HAS_USER | _HAS_OBJECT):
            if buffer[at] != _QUOTE:
                return False
            at = _string_end(buffer, start, end, _LONGEST_ID, escapes)
            if at < 0:
                return False
            length = at - start
            if field == _HAS_ID:
                out[i]["id_high"] = digest_at(buffer, start, length, np.uint64(0))
                out[i]["id_low"] = digest_at(buffer, start, length, np.uint64(1))
            elif field == _HAS_KIND:
                if length != _KIND_LENGTHS[kind] or word(buffer, start, length) != _KINDS[kind]:
                    return False
            elif field == _HAS_ACTOR:
                out[i]["actor"] = digest_at(buffer, start, length, np.uint64(0))
                out[i]["actor_at"], out[i]["actor_length"] = start, length
            elif field == _HAS_USER:
                out[i]["user"] = digest_at(buffer, start, length, np.uint64(0))
                out[i]["user_at"], out[i]["user_length"] = start, length
            elif field == _HAS_OBJECT:
                out[i]["object_at"], out[i]["object_length"] = start, length
            at += 1
        elif field & (_HAS_TIME | _HAS_NTH | _HAS_SINCE | _HAS_SCORE):
            start = at
            at = _digits_end(buffer, start, end)
            if at < 0 or at >= end:
                return False
            value = _value(buffer, start, at)
            if field == _HAS_TIME:
                out[i]["time"] = value
            elif field == _HAS_NTH:
                out[i]["nth"] = value
            elif field == _HAS_SINCE:
                out[i]["since"] = value
            else:
                divisor = 1
                if buffer[at] == _POINT:
                    point = at + 1
                    at = point
                    while at < end and _ZERO <= buffer[at] <= _NINE:
                        value = value * 10 + (buffer[at] - _ZERO)
                        divisor *= 10
                        at += 1
                    if at == point or at - start > _DIGITS:
                        return False
                # Both are exact, so the quotient is the float nearest to what was written.
                out[i]["score"] = value / divisor
                if out[i]["score"] > 100.0:
                    return False
        elif field == _HAS_TAGS:
            if buffer[at] != _ARRAY:
                return False
            at = _tags_end(buffer, start, end, escapes)
            if at < 0:
                return False
            out[i]["tags_at"], out[i]["tags_length"] = start, at - start
            at += 1
        else:
            if at + 5 > end:
                return False
            is_true = word(buffer, at, 4) == _TRUE
            if not is_true and (word(buffer, at, 4) != _FALS or buffer[at + 4] != ord("e")):
                return False
            at += 4 if is_true else 5
            if field == _HAS_UNDO:
                out[i]["undo"] = is_true
            else:
                out[i]["mutual"] = is_true
        at = _past_space(buffer, at, end)
        if at >= end:
            return False
        if buffer[at] == _CLOSE:
            break
        if buffer[at] != _COMMA:
            return False
    needed = _POST if is_post else _ENGAGEMENT
    return (seen & needed) == needed and _past_space(buffer, at + 1, end) == end


@compiled
def _same(one: NDArray[np.uint8], at: int, length: int, other: NDArray[np.uint8], start: int, end: int) -> bool:
    if end - start != length:
        return False
    i = 0
    while i < length and one[at + i] == other[start + i]:
        i += 1
    return i == length


@compiled
def _scan(
    buffer: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    keys: NDArray[np.uint8],
    key_starts: NDArray[np.int64],
    key_ends: NDArray[np.int64],
    kind: int,
    escapes: bool,
    out: NDArray[np.void],
) -> None:
    for i in range(len(ends)):
        out[i]["since"] = out[i]["nth"] = -1
        out[i]["score"] = -1.0
        is_read = starts[i] >= 0 and _record(buffer, starts[i], ends[i], kind, escapes, out, i)
        user, length = out[i]["user_at"], out[i]["user_length"]
        actor = out[i]["actor_at"]
        # The key of a record with escapes was compared when it was decoded.
        out[i]["is_read"] = is_read and (escapes or _same(buffer, user, length, keys, key_starts[i], key_ends[i]))
        out[i]["own"] = _same(buffer, user, length, buffer, actor, actor + out[i]["actor_length"])


def scan(values: Packed, keys: Packed, kind: int, *, escapes: bool = False) -> NDArray[np.void]:
    """
    Read records.

    Args:
        values: n records.
        keys: Their keys: what a record is of must be its key.
        kind: The kind of engagement that all must be of, by its place in `schemas.KINDS`; len(KINDS) for posts.
        escapes: Take strings with escapes as they stand, and do not look at keys. For records that msgspec has written.

    Returns:
        [n] `SCANNED`; a record with `is_read` 0 is left to others, and what else is said of it means nothing.
    """
    out = np.zeros(len(values.ends), SCANNED)
    _scan(values.buffer, values.starts, values.ends, keys.buffer, keys.starts, keys.ends, kind, escapes, out)
    return out
