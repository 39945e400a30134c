"""The order of two keys, whether they are nearly in order or not at all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state import merge_sort
from pipeline.state.merge_sort import order_by

pairs = st.tuples(st.integers(-3, 3), st.sampled_from([0, 1, 7, 2**63, 2**64 - 1]))
runs = st.lists(st.lists(pairs, min_size=1, max_size=40).map(sorted), max_size=12)


@given(runs)
def test_runs_are_merged(runs: list[list[tuple[int, int]]]) -> None:
    """However many there are, and with equal keys: as if all had been sorted."""
    keys = [pair for run in runs for pair in run]
    order = order_by(np.array([a for a, _ in keys], np.int64), np.array([b for _, b in keys], np.uint64))
    assert sorted(order.tolist()) == list(range(len(keys)))
    assert [keys[place] for place in order.tolist()] == sorted(keys)


def test_both_ways_say_the_same() -> None:
    """Of runs that are long and of none at all."""
    rng = np.random.default_rng(3)
    n = 2_000
    minor = rng.integers(0, 2**64, n, dtype=np.uint64)
    for width in (1, 3, merge_sort._LONG + 1, 100):
        major = np.arange(n) // width % 90
        expected = np.lexsort((minor, major))
        assert order_by(major, minor).tolist() == expected.tolist()
        kept = expected[np.sort(rng.choice(n, n * 19 // 20, replace=False))]
        nearly = np.concatenate((kept, np.setdiff1d(expected, kept)))
        assert nearly[order_by(major[nearly], minor[nearly])].tolist() == expected.tolist()
