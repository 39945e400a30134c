"""Slabs: each row has its own records, whatever the others do, and what is left is used again."""

import random

import numpy as np
import pytest

from pipeline.state.packed import Packed
from pipeline.state.slabs import Slabs, _class_of, _room_of

EIGHT, THREE_WORDS = np.dtype("V8"), np.dtype([("a", "<u8"), ("b", "<u8"), ("c", "<u8")])
ROWS = 40


def records(dtype: np.dtype[np.void], n: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return records that tell which they are."""
    words = dtype.itemsize // 8
    return (np.arange(n * words, dtype=np.uint64) + np.uint64(seed << 20)).view(dtype)


@pytest.mark.parametrize("length", [*range(1, 200), 255, 256, 257, 4_095, 4_096, 4_097, 1 << 20])
def test_a_size_class_has_room_and_little_to_spare(length: int) -> None:
    """At most a quarter of what is asked for, and nothing up to eight records."""
    room = _room_of(_class_of(length))
    assert length <= room <= max(length, 8, length * 5 // 4)
    assert _class_of(room) == _class_of(length)
    assert _class_of(room + 1) == _class_of(length) + 1


@pytest.mark.parametrize("dtype", [EIGHT, THREE_WORDS], ids=["one word", "three words"])
@pytest.mark.parametrize("seed", range(3))
def test_rows_hold_what_was_given_to_them(dtype: np.dtype[np.void], seed: int) -> None:
    """Appended, replaced and cleared at random, they say what lists of bytes would."""
    rng = random.Random(seed)
    slabs, truth = Slabs(dtype), [b""] * ROWS
    slabs.make_room(ROWS)
    for step in range(300):
        rows = np.array(sorted(rng.sample(range(ROWS), rng.randint(1, 12))), np.int64)
        counts = np.array([rng.choice((0, 1, 1, 2, 7, 40)) for _ in rows], np.int64)
        more = records(dtype, int(counts.sum()), step)
        blob, ends = more.tobytes(), np.cumsum(counts) * dtype.itemsize
        parts = [
            blob[end - count * dtype.itemsize : end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)
        ]
        action = rng.choice(("append", "append", "replace", "replace_texts", "clear"))
        if action == "append":
            slabs.append(rows, counts, more)
        elif action == "replace":
            slabs.replace(rows, counts, more)
        elif action == "replace_texts":
            slabs.replace_texts(rows, Packed.of(parts), b"\0")
        else:
            slabs.clear(rows)
        for row, part in zip(rows.tolist(), parts, strict=True):
            truth[row] = {"append": truth[row] + part, "clear": b""}.get(action, part)
        assert (slabs.lengths * dtype.itemsize).tolist() == list(map(len, truth))
        assert slabs.gather(np.arange(ROWS)).tobytes() == b"".join(truth)


@pytest.mark.parametrize("size", range(25))
def test_an_incomplete_last_record_is_filled_up(size: int) -> None:
    """With the byte that was asked for, and nothing of what follows in the buffer."""
    slabs, text = Slabs(EIGHT), bytes(range(65, 65 + size))
    slabs.make_room(2)
    slabs.replace_texts(np.array([0, 1]), Packed.of([text, b"next"]), b"\n")
    assert slabs.gather(np.array([0])).tobytes() == text + b"\n" * (-size % 8)
    assert slabs.gather(np.array([1])).tobytes() == b"next\n\n\n\n"


def test_what_is_given_back_is_used_again() -> None:
    """Rows that are replaced over and over take no more memory than at first."""
    slabs, rows = Slabs(EIGHT), np.arange(ROWS)
    slabs.make_room(ROWS)
    counts = np.full(ROWS, 30)
    for seed in range(3):
        slabs.replace(rows, counts, records(EIGHT, ROWS * 30, seed))
    held = slabs.nbytes
    for seed in range(50):
        slabs.replace(rows, counts, records(EIGHT, ROWS * 30, seed))
    assert slabs.nbytes == held
