"""Repeated ids are found across a snapshot as they are found in one log."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.state.horizon import HeldIds, IdHorizon
from pipeline.state.origin import OriginIds

SECONDS, MOST = 30, 12


@st.composite
def logs(draw: st.DrawFn) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Ids that repeat often, and the greatest event time up to each record."""
    ids = draw(st.lists(st.integers(0, 12), min_size=1, max_size=60))
    steps = draw(st.lists(st.integers(0, 8), min_size=len(ids), max_size=len(ids)))
    digests = np.array([[number * 7 + 1, number << 32] for number in ids], np.uint64)
    return digests, np.cumsum(steps) + 1_000


def whole(digests: NDArray[np.uint64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return what repeats in one log."""
    return IdHorizon(SECONDS, MOST).add(*digests.T, np.arange(len(times)), times)


@given(logs(), st.data(), st.integers(0, 1 << 33), st.integers(0, 1 << 33))
def test_a_log_that_goes_on_elsewhere_repeats_the_same(
    log: tuple[NDArray[np.uint64], NDArray[np.int64]], data: st.DataObject, first: int, second: int
) -> None:
    """Whatever the offsets of the two logs, and through the bytes of the changelog."""
    digests, times = log
    cut = data.draw(st.integers(0, len(times)))
    before, after = IdHorizon(SECONDS, MOST), IdHorizon(SECONDS, MOST)
    found = before.add(*digests[:cut].T, first + np.arange(cut), times[:cut])
    held = before.take_out(first + cut)
    users = np.arange(len(held.keys), dtype=np.uint32)
    chunks = list(OriginIds.of("likes", held, users))
    assert np.concatenate([np.zeros(0, np.uint32), *(chunk.users() for chunk in chunks)]).tolist() == users.tolist()
    if chunks:
        after.put_in(HeldIds.merged([chunk.held() for chunk in chunks]), second)
    found = np.concatenate([found, after.add(*digests[cut:].T, second + np.arange(len(times) - cut), times[cut:])])
    assert found.tolist() == whole(digests, times).tolist()
