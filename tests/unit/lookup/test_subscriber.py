"""What a subscriber gets of what is offered."""

import pytest

from pipeline.lookup.change import encode_change
from pipeline.lookup.stream import Entry, reset
from pipeline.lookup.subscriber import PENDING_LIMIT, Subscriber, Wish
from schemas import Change


def entry(number: int, user: str, score: float, previous: float | None = 50.0, network: str = "x") -> Entry:
    """Return a change as it stands in the stream."""
    change = Change(user, user, score, previous, "50-59", [network], number, 0, 0)
    return Entry(f"{number}-0", "change", encode_change(change), user, user, [network], change)


async def taken(subscriber: Subscriber) -> list[tuple[str, str]]:
    """Return id and user of all that waits."""
    return [(found.id, found.user) for found in await subscriber.take(0.01)]


async def test_entries_come_in_the_order_of_the_stream() -> None:
    """A client that resumes by id has seen all before it."""
    subscriber = Subscriber(Wish(), "0-0")
    subscriber.offer(entry(1, "x:a", 51))
    subscriber.offer(entry(2, "x:b", 52))
    assert await taken(subscriber) == [("1-0", "x:a"), ("2-0", "x:b")]
    assert await taken(subscriber) == []


async def test_a_slow_client_gets_the_latest_of_each_user() -> None:
    """What was replaced meanwhile is skipped, and the order of ids holds."""
    subscriber = Subscriber(Wish(), "0-0")
    for number in range(1, 100, 2):
        subscriber.offer(entry(number, "x:a", 50 + number / 100))
        subscriber.offer(entry(number + 1, "x:b", 50))
    subscriber.offer(entry(200, "x:a", 60))
    assert await taken(subscriber) == [("100-0", "x:b"), ("200-0", "x:a")]


async def test_a_client_too_slow_for_the_queue_gets_a_reset() -> None:
    """The queue is bounded, and what is lost is told."""
    subscriber = Subscriber(Wish(), "0-0")
    for number in range(PENDING_LIMIT + 1):
        subscriber.offer(entry(number + 1, f"x:{number}", 51))
    subscriber.offer(entry(9999, "x:after", 51))
    found = await subscriber.take(0.01)
    assert [(one.kind, one.user) for one in found] == [("reset", ""), ("change", "x:after")]


async def test_only_wanted_users_and_networks_come() -> None:
    """Filters by user and by network hold together."""
    subscriber = Subscriber(Wish(users=frozenset({"x:a", "x:b"}), network="bluesky"), "0-0")
    subscriber.offer(entry(1, "x:a", 51))
    subscriber.offer(entry(2, "x:b", 51, network="bluesky"))
    subscriber.offer(entry(3, "x:c", 51, network="bluesky"))
    assert await taken(subscriber) == [("2-0", "x:b")]


async def test_min_delta_counts_from_the_value_sent_last() -> None:
    """Many small steps add up to one that is sent."""
    subscriber = Subscriber(Wish(min_delta=1.0), "0-0")
    sent = []
    for number in range(1, 12):
        score = 50 + number * 0.4
        subscriber.offer(entry(number, "x:a", score, previous=score - 0.4))
        sent += [found.id for found in await subscriber.take(0.001)]
    # 51.2, 52.4, 53.6: each the first that is 1.0 or more away from the one before.
    assert sent == ["3-0", "6-0", "9-0"]


@pytest.mark.parametrize("score", [51.1, 48.9])
async def test_a_difference_of_exactly_min_delta_is_sent(score: float) -> None:
    """In either direction, whatever the rounding of floats."""
    subscriber = Subscriber(Wish(min_delta=1.1), "0-0")
    subscriber.offer(entry(1, "x:a", score, previous=50.0))
    assert await taken(subscriber) == [("1-0", "x:a")]


async def test_a_score_that_returned_before_it_was_sent_is_not_sent() -> None:
    """A slow client with min_delta is not told of what came and went."""
    subscriber = Subscriber(Wish(min_delta=5), "0-0")
    subscriber.offer(entry(1, "x:a", 60, previous=50))
    subscriber.offer(entry(2, "x:a", 50, previous=60))
    assert await taken(subscriber) == []


async def test_a_first_score_is_always_sent() -> None:
    """It has no value to differ from."""
    subscriber = Subscriber(Wish(min_delta=5), "0-0")
    subscriber.offer(entry(1, "x:a", 1, previous=None))
    assert await taken(subscriber) == [("1-0", "x:a")]


async def test_a_reset_replaces_what_waits() -> None:
    """The client looks everything up anew."""
    subscriber = Subscriber(Wish(users=frozenset({"x:a"})), "0-0")
    subscriber.offer(entry(1, "x:a", 51))
    subscriber.offer(reset("2-0", "rebuilt"))
    assert await taken(subscriber) == [("2-0", "")]


async def test_a_snapshot_drops_only_what_it_holds() -> None:
    """A change newer than the document still comes."""
    subscriber = Subscriber(Wish(), "0-0")
    subscriber.offer(entry(1, "x:a", 51))
    subscriber.offer(entry(5, "x:b", 51))
    subscriber.drop("x:a", 1)
    subscriber.drop("x:b", 4)
    assert await taken(subscriber) == [("5-0", "x:b")]


async def test_a_closed_subscription_does_not_wait() -> None:
    """The server can end with clients attached."""
    subscriber = Subscriber(Wish(), "0-0")
    subscriber.close()
    assert await subscriber.take(60) == []
    assert await subscriber.take(60) == []
