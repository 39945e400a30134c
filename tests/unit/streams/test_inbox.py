"""Small fetches are held until a round takes them, never for long, and each partition's stay in order."""

import threading

from faust.types import TP

from pipeline.fetches import Batch, Fetched
from pipeline.streams.inbox import FULL, HOLD_S, LARGE, Inbox

LIKES, SHARES, OTHERS = TP("clout.likes", 0), TP("clout.shares", 0), TP("clout.likes", 1)


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


def inbox_at(clock: Clock, told: list[None] | None = None) -> Inbox:
    """Return an inbox that notes in `told` when the loop should look."""
    return Inbox(clock, lambda: None if told is None else told.append(None))


def taken(inbox: Inbox) -> list[tuple[TP, int, int]]:
    """Return all that is to go on: partition, beginning and end."""
    runs = iter(inbox.take, None)
    return [(tp, run.first, run.end) for tp, run in runs]


def test_small_fetches_go_on_together() -> None:
    """Of each partition as one, when the first of them has waited long enough."""
    clock = Clock()
    inbox = inbox_at(clock)
    assert inbox.left() == float("inf")
    inbox.put({LIKES: fetched(0, 3), SHARES: fetched(5, 6)})
    assert taken(inbox) == []
    assert 0 < inbox.left() <= HOLD_S
    clock.now += HOLD_S / 2
    inbox.put({LIKES: fetched(3, 4)})
    assert taken(inbox) == []
    clock.now += HOLD_S
    inbox.put({LIKES: fetched(4, 9)})
    assert inbox.left() == 0
    assert taken(inbox) == [(LIKES, 0, 9), (SHARES, 5, 6)]
    assert inbox.left() == float("inf")
    assert inbox.ends() == {LIKES: 9, SHARES: 6}


def test_each_partition_waits_for_itself() -> None:
    """What came later is held for as long, whatever goes on before it."""
    clock = Clock()
    inbox = inbox_at(clock)
    inbox.put({LIKES: fetched(0, 3)})
    clock.now += HOLD_S / 2
    inbox.put({SHARES: fetched(0, 1)})
    clock.now += HOLD_S / 2
    assert taken(inbox) == [(LIKES, 0, 3)]
    assert inbox.left() == HOLD_S / 2
    clock.now += HOLD_S / 2
    assert taken(inbox) == [(SHARES, 0, 1)]


def test_a_round_takes_what_is_held_of_its_partition() -> None:
    """Others go on being held; the loop is told when there is something for it."""
    told: list[None] = []
    inbox = inbox_at(Clock(), told)
    inbox.put({LIKES: fetched(0, 3), SHARES: fetched(0, 1), OTHERS: fetched(0, 7)})
    assert len(told) == 1
    inbox.release(0)
    assert len(told) == 2
    assert taken(inbox) == [(LIKES, 0, 3), (SHARES, 0, 1)]
    inbox.release(0)
    assert len(told) == 2
    inbox.release(1)
    assert taken(inbox) == [(OTHERS, 0, 7)]


def test_a_large_fetch_does_not_wait() -> None:
    """Nor what was held of its partition; others do."""
    inbox = inbox_at(Clock())
    inbox.put({LIKES: fetched(0, 3), SHARES: fetched(0, 1)})
    inbox.put({LIKES: fetched(3, 900, LARGE)})
    assert taken(inbox) == [(LIKES, 0, 900)]
    inbox.put({SHARES: fetched(1, 900, LARGE)})
    assert taken(inbox) == [(SHARES, 0, 900)]
    assert inbox.left() == float("inf")


def test_after_a_seek_nothing_is_joined() -> None:
    """What was held goes on as it is, and the fold finds the gap or the repetition."""
    clock = Clock()
    inbox = inbox_at(clock)
    inbox.put({LIKES: fetched(10, 20)})
    inbox.put({LIKES: fetched(0, 5)})
    assert taken(inbox) == [(LIKES, 10, 20)]
    clock.now += 2 * HOLD_S
    assert taken(inbox) == [(LIKES, 0, 5)]


def test_a_full_inbox_wants_nothing_until_something_was_taken() -> None:
    """What the loop cannot keep up with waits at the broker."""
    inbox = inbox_at(Clock())
    inbox.want({LIKES, SHARES})
    assert inbox.wanted == {LIKES, SHARES}
    inbox.put({LIKES: fetched(0, 9, FULL // 2)})
    assert inbox.wanted
    inbox.put({LIKES: fetched(9, 20, FULL // 2)})
    assert not inbox.wanted
    assert inbox.take() is not None
    assert inbox.wanted == {LIKES, SHARES}
    inbox.want(())
    assert not inbox.wanted


def test_what_is_dropped_is_gone_and_makes_room() -> None:
    """It will be fetched again, from where the fold stands; what waits of others stays."""
    inbox = inbox_at(Clock())
    inbox.want({LIKES})
    inbox.put({LIKES: fetched(0, 9, FULL), SHARES: fetched(0, 1), OTHERS: fetched(0, 7, LARGE)})
    assert not inbox.wanted
    inbox.drop({LIKES, SHARES})
    assert inbox.ends() == {OTHERS: 7}
    assert inbox.wanted == {LIKES}
    assert inbox.left() == float("inf")
    assert taken(inbox) == [(OTHERS, 0, 7)]
    inbox.put({LIKES: fetched(0, 9, FULL - 1)})
    assert inbox.wanted == {LIKES}


def test_nothing_is_lost_between_two_threads() -> None:
    """One puts in while the other takes out and releases: all arrives, in order."""
    inbox = inbox_at(Clock())
    runs = 5_000

    def put() -> None:
        for number in range(runs):
            inbox.put({LIKES: fetched(number, number + 1, LARGE if number % 7 == 0 else 10), SHARES: fetched(0, 1)})

    thread = threading.Thread(target=put)
    thread.start()
    position = 0
    while position < runs:
        inbox.release(0)
        for tp, first, end in taken(inbox):
            if tp == LIKES:
                assert first == position
                position = end
    thread.join()
    assert position == runs
