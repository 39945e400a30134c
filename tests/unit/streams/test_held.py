"""Small fetches are held until there are more, never for long, and each partition's stay in order."""

from faust.types import TP

from pipeline.fetches import Batch, Fetched
from pipeline.streams.held import HOLD_S, LARGE, Held

LIKES, SHARES = TP("clout.likes", 0), TP("clout.shares", 0)


def fetched(first: int, end: int, size: int = 100) -> Fetched:
    """Return a fetch of one batch of so many bytes."""
    return Fetched(first, end, [Batch(None, bytes(size))])


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_small_fetches_go_on_together() -> None:
    """Of each partition as one, when the first of them has waited long enough."""
    clock = Clock()
    held = Held(clock)
    assert held.left() == float("inf")
    assert held.take({LIKES: fetched(0, 3), SHARES: fetched(5, 6)}) == []
    assert 0 < held.left() <= HOLD_S
    clock.now += HOLD_S / 2
    assert held.take({LIKES: fetched(3, 4)}) == []
    clock.now += HOLD_S
    assert held.left() == 0
    ready = dict(held.take({LIKES: fetched(4, 9)}))
    assert {tp: (run.first, run.end, len(run.batches)) for tp, run in ready.items()} == {
        LIKES: (0, 9, 3),
        SHARES: (5, 6, 1),
    }
    assert held.left() == float("inf")
    assert held.take({}) == []


def test_a_large_fetch_does_not_wait() -> None:
    """Nor what was held of its partition; others do."""
    held = Held(Clock())
    held.take({LIKES: fetched(0, 3), SHARES: fetched(0, 1)})
    [(tp, run)] = held.take({LIKES: fetched(3, 900, LARGE)})
    assert (tp, run.first, run.end) == (LIKES, 0, 900)
    [(tp, run)] = held.take({SHARES: fetched(1, 900, LARGE)})
    assert (tp, run.first) == (SHARES, 0)
    assert held.left() == float("inf")


def test_after_a_seek_nothing_is_joined() -> None:
    """What was held goes on as it is, and the fold finds the gap or the repetition."""
    clock = Clock()
    held = Held(clock)
    held.take({LIKES: fetched(10, 20)})
    assert [(run.first, run.end) for _, run in held.take({LIKES: fetched(0, 5)})] == [(10, 20)]
    clock.now += 2 * HOLD_S
    assert [(run.first, run.end) for _, run in held.take({})] == [(0, 5)]
