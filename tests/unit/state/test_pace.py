"""The pace of rows."""

import numpy as np
import pytest

from pipeline.state.pace import DRAIN_SECONDS, pour


@pytest.mark.parametrize("seed", range(10))
def test_buckets_fill_and_leak(seed: int) -> None:
    """As if engagements were poured one after the other: [n] rows, several engagements each."""
    random = np.random.default_rng(seed)
    place = np.sort(np.concatenate([np.arange(5), random.integers(0, 5, 80)]))
    time = np.concatenate([np.sort(random.integers(1000, 9000, np.count_nonzero(place == row))) for row in range(5)])
    empty_at = random.integers(0, 5000, 5)
    after, drains = pour(empty_at, place, time)
    expected = []
    for row, now in zip(place.tolist(), time.tolist(), strict=True):
        empty_at[row] = max(int(empty_at[row]), now) + DRAIN_SECONDS
        expected.append(int(empty_at[row]) - now)
    assert drains.tolist() == expected
    assert after.tolist() == empty_at.tolist()
