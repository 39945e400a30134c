"""Repeated ids within the horizon, against a dictionary."""

from collections.abc import Sequence

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.state.horizon import IdHorizon

Entry = tuple[str, int, int]
"""An id, its offset and the second of the log's time."""


def naive(entries: Sequence[Entry], seconds: int, max_ids: int) -> list[bool]:
    """Tell of each entry whether its id came within the horizon before it."""
    seen: dict[str, tuple[int, int]] = {}
    repeated = []
    for name, offset, time in entries:
        at, then = seen.get(name, (-(1 << 62), -(1 << 62)))
        repeated.append(offset - at <= max_ids and time - then <= seconds)
        seen[name] = (offset, time)
    return repeated


def digests(names: Sequence[str]) -> NDArray[np.uint64]:
    """Return 128-bit digests of ids, [n, 2]."""
    return np.frombuffer(b"".join(xxhash.xxh3_128_digest(name.encode()) for name in names), np.uint64).reshape(-1, 2)


def found(horizon: IdHorizon, entries: Sequence[Entry]) -> list[bool]:
    """Return what a horizon says of one batch."""
    names, offsets, times = zip(*entries, strict=True)
    told: list[bool] = horizon.add(*digests(names).T, np.array(offsets, np.int64), np.array(times, np.int64)).tolist()
    return told


def in_batches(entries: Sequence[Entry], cuts: Sequence[int], seconds: int, max_ids: int) -> list[bool]:
    """Return what a new horizon says of entries that arrive in batches."""
    horizon = IdHorizon(seconds, max_ids)
    told: list[bool] = []
    at = 0
    while at < len(entries):
        size = cuts[at % len(cuts)]
        told += found(horizon, entries[at : at + size])
        at += size
    return told


def log(names: Sequence[int], steps: Sequence[int], gaps: Sequence[int], first: int = 0) -> list[Entry]:
    """Return a log in which each record comes some seconds and offsets after the one before."""
    times, offsets = np.cumsum(steps).tolist(), (first + np.cumsum(gaps)).tolist()
    return [(f"id{name}", offset, time) for name, offset, time in zip(names, offsets, times, strict=True)]


@st.composite
def logs(draw: st.DrawFn, first: int = 0) -> list[Entry]:
    """Draw a log with many repeats, some within the horizon and some beyond."""
    rows = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=60))
    names, steps, gaps = zip(*rows, strict=True)
    return log(names, steps, gaps, first)


@given(entries=logs(), seconds=st.integers(1, 30), max_ids=st.integers(1, 40))
def test_a_repeat_is_found_within_the_horizon_only(entries: list[Entry], seconds: int, max_ids: int) -> None:
    """One record at a time, it is a dictionary of when each id came last."""
    assert in_batches(entries, [1], seconds, max_ids) == naive(entries, seconds, max_ids)


@given(
    entries=logs(),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    seconds=st.integers(1, 30),
    max_ids=st.integers(1, 40),
)
def test_batch_boundaries_do_not_decide_what_is_a_repeat(
    entries: list[Entry], cuts: list[int], seconds: int, max_ids: int
) -> None:
    """Any cut of the log into batches finds the same repeats."""
    assert in_batches(entries, cuts, seconds, max_ids) == naive(entries, seconds, max_ids)


def test_an_id_that_counts_again_and_repeats_in_one_batch_is_found() -> None:
    """The first occurrence past the horizon counts, and each after it is a repeat of the one before."""
    horizon = IdHorizon(1_000, 50)
    assert found(horizon, [("x", 0, 0)]) == [False]
    assert found(horizon, [("x", 100, 1), ("x", 120, 1), ("x", 151, 1), ("x", 202, 1)]) == [False, True, True, False]


@settings(max_examples=30)
@given(entries=logs(first=(1 << 32) - 60), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_offsets_beyond_32_bits_are_told_apart(entries: list[Entry], cuts: list[int]) -> None:
    """Where the lower half of the offset begins again, nothing changes."""
    assert in_batches(entries, cuts, 1 << 40, 1 << 40) == naive(entries, 1 << 40, 1 << 40)


@pytest.mark.parametrize("size", [1, 37, 1_000, 50_000])
def test_growth_loses_no_id_and_makes_none_up(size: int) -> None:
    """Through many rebuilds of the table every repeat is found."""
    rng = np.random.default_rng(7)
    n = 3_000 if size == 1 else 50_000
    names = np.where(rng.random(n) < 0.7, np.arange(n), rng.integers(0, n, n)).tolist()
    entries = log(names, [0] * n, [1] * n)
    assert in_batches(entries, [size], 3_600, 1 << 30) == naive(entries, 3_600, 1 << 30)


@pytest.mark.parametrize("size", [100, 2_500, 20_000])
def test_a_long_log_is_forgotten_to_the_second(size: int) -> None:
    """Ids that come back once, just within or just past the horizon, over many times the horizon's length."""
    rng = np.random.default_rng(11)
    n = 20_000
    names, fresh = list(range(n)), set[int]()
    for i, back in enumerate(rng.integers(1, 40, n).tolist()):
        if back % 2 and i - back in fresh:
            names[i] = i - back
            fresh.remove(i - back)
        else:
            fresh.add(i)
    entries = log(names, rng.integers(0, 3, n).tolist(), [1] * n)
    truth = naive(entries, 20, 1 << 30)
    assert 1_000 < sum(truth) < len(set(range(n)) - set(names))
    assert in_batches(entries, [size], 20, 1 << 30) == truth


def test_the_table_stays_as_small_as_the_horizon() -> None:
    """Memory follows what lies within the horizon, not all that was ever seen."""
    horizon = IdHorizon(3_600, 1_000)
    for first in range(0, 200_000, 1_000):
        found(horizon, [(str(i), i, i // 1_000) for i in range(first, first + 1_000)])
    assert horizon.nbytes <= 16 * (1 << 14)


def test_a_record_never_repeats_itself() -> None:
    """A batch that is read again after a seek finds its own ids, and counts them once more."""
    horizon = IdHorizon(3_600, 1_000)
    batch = [(str(i), i, 0) for i in range(100)]
    assert not any(found(horizon, batch))
    assert not any(found(horizon, batch))


def test_an_empty_batch_says_nothing() -> None:
    """No ids, no repeats."""
    told = IdHorizon(10, 10).add(*np.zeros((2, 0), np.uint64), *np.zeros((2, 0), np.int64))
    assert told.tolist() == []
