"""What the lane of scores hands over to history: all of a range of offsets, or nothing."""

from collections.abc import Sequence

import pytest

from pipeline.lookup.history import relay as relay_module
from pipeline.lookup.history.outlets import SCORE_POINTS
from pipeline.lookup.history.relay import HandedBatch, Relay
from pipeline.lookup.history.series import MINUTE_MS
from pipeline.lookup.sink.chunks import Batch, Range, Tally, chunks
from pipeline.lookup.sink.details import DETAILS
from pipeline.lookup.sink.outlet import Outlet, Write
from pipeline.lookup.sink.scores import SCORES
from tests.unit.lookup.documents import details_bytes, records, score_bytes

NOON = 1_341_489_600_000


def score(user: str, minute: int, version: int) -> bytes:
    """Return a score document of a minute after noon."""
    return score_bytes(user, 10.0 + version, version, as_of=NOON + minute * MINUTE_MS)


def hand(relay: Relay, *values: bytes | None, position: int = 0, outlet: Outlet = SCORES, partition: int = 3) -> Batch:
    """Hand over what the lane of scores read of a partition, from `position` on."""
    batch = Batch(outlet, outlet.topic, partition, position, records(*values, first=position, key=b"x:a"))
    list(chunks([batch], Tally(), relay.hand))
    return batch


def taken(batch: HandedBatch | None) -> Sequence[Write]:
    """Return what is written of a batch."""
    assert batch is not None
    return [write for _, write in batch.writes(Tally())]


def test_what_was_handed_over_is_what_the_topic_would_have_given() -> None:
    """The same points in the same order, also of a deleted user, and the same offsets."""
    relay = Relay()
    values = [score("x:a", 0, 1), score("x:b", 0, 2), None, score("x:a", 1, 4)]
    read = hand(relay, *values)
    from_topic = Batch(SCORE_POINTS, "scores", 3, 0, read.records)
    handed = relay.take("scores", 3, 0)
    assert handed is not None
    assert list(chunks([handed], Tally())) == list(chunks([from_topic], Tally()))


def test_of_a_user_and_minute_the_newest_is_kept_over_many_fetches() -> None:
    """An older version that comes late is none; the range covers them all."""
    relay = Relay()
    hand(relay, score("x:a", 0, 5), score("x:a", 1, 6))
    hand(relay, score("x:a", 1, 8), score("x:a", 1, 7), b"{", position=2)
    handed = relay.take("scores", 3, 0)
    assert [write.version for write in taken(handed)] == [5, 8]
    assert handed is not None
    (chunk,) = chunks([handed], Tally())
    assert chunk.ranges == [Range("history/scores/3", 0, 5)]


def test_what_was_taken_is_gone_and_what_follows_is_not() -> None:
    """Whoever stands at the end of it takes what comes next, and nothing in between."""
    relay = Relay()
    hand(relay, score("x:a", 0, 1))
    assert len(taken(relay.take("scores", 3, 0))) == 1
    assert taken(relay.take("scores", 3, 1)) == []
    hand(relay, score("x:b", 0, 2), position=1)
    assert [write.version for write in taken(relay.take("scores", 3, 1))] == [2]


@pytest.mark.parametrize("position", [0, 6, 9])
def test_who_stands_elsewhere_gets_nothing(position: int) -> None:
    """Far behind after a crash, or ahead when the scores are read again: the topic has it."""
    relay = Relay()
    hand(relay, score("x:a", 0, 1), position=5)
    hand(relay, score("x:b", 0, 2), position=6)
    if position == 6:
        assert [write.version for write in taken(relay.take("scores", 3, 6))] == [2]
    else:
        assert relay.take("scores", 3, position) is None
    assert relay.take("scores", 4, 0) is None


def test_scores_that_are_read_again_replace_what_was_held() -> None:
    """After Redis was emptied the lane of scores begins anew: there must be no gap."""
    relay = Relay()
    hand(relay, score("x:a", 0, 1), score("x:b", 0, 2), position=7)
    hand(relay, score("x:c", 0, 1), position=0)
    assert relay.take("scores", 3, 8) is None
    assert [write.version for write in taken(relay.take("scores", 3, 0))] == [1]


def test_what_nobody_takes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """History that lags reads the topic: memory is not its queue."""
    monkeypatch.setattr(relay_module, "_MOST", 2)
    relay = Relay()
    hand(relay, *(score(f"x:{n}", 0, n + 1) for n in range(3)))
    hand(relay, score("x:a", 0, 9), position=3)
    assert relay.take("scores", 3, 0) is None
    assert [write.version for write in taken(relay.take("scores", 3, 3))] == [9]


def test_the_bound_is_one_for_all_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest goes; what history took, or what was read again, no longer counts."""
    monkeypatch.setattr(relay_module, "_MOST", 4)
    relay = Relay()
    hand(relay, score("x:a", 0, 1), score("x:b", 0, 2), score("x:c", 0, 3), partition=1)
    hand(relay, score("x:d", 0, 1), partition=2)
    hand(relay, score("x:e", 0, 1), partition=3)
    assert relay.take("scores", 1, 0) is None
    assert len(taken(relay.take("scores", 2, 0))) == len(taken(relay.take("scores", 3, 0))) == 1

    for _ in range(3):
        hand(relay, score("x:a", 0, 1), score("x:b", 0, 2), partition=1)
    hand(relay, score("x:d", 1, 2), score("x:d", 2, 3), position=1, partition=2)
    assert len(taken(relay.take("scores", 1, 0))) == len(taken(relay.take("scores", 2, 1))) == 2


def test_other_topics_are_not_for_history() -> None:
    """The lane of scores reads spikes as well."""
    relay = Relay()
    hand(relay, details_bytes("x:a", {}), outlet=DETAILS)
    assert relay.take("details", 3, 0) is None
