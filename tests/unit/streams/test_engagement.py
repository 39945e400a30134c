"""The agent's fold: a fetch is folded once, from where the fold stands, and a gap is sought back."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.state.decode import read_ahead
from pipeline.state.partition import Partition
from pipeline.state.records import Records
from pipeline.state.sources import SOURCE_OF
from pipeline.streams.engagement import fold
from tests.unit.state.log import FOREVER, columns, crowd, engagement, log_of
from tests.unit.state.log import fold as fold_log

LOG = log_of(*[engagement(event.actor, time=event.time, kind="like") for event in crowd(50)])


def fetch(first: int, end: int) -> Records:
    """Return a fetch of the likes, as the transport hands it out."""
    return read_ahead(0, LOG.run(0, first, end))


def worker() -> tuple[Any, Any, Partition]:
    """Return an app, its table with one partition, and the partition."""
    part = Partition(3, FOREVER)
    letters: list[tuple[str, int, int, int]] = []
    add = lambda topic, number, records, refusals: letters.append((topic, number, records, len(refusals)))  # noqa: E731
    app = SimpleNamespace(dead_letters=SimpleNamespace(add=add), letters=letters, failures=0)
    app.rounds = SimpleNamespace(fail=lambda: setattr(app, "failures", app.failures + 1))
    table = SimpleNamespace(partitions_held={3: part}, source=lambda topic: SOURCE_OF[topic.removeprefix("clout.")])
    return app, table, part


@pytest.mark.parametrize(
    "fetches",
    [
        [(0, 50)],
        [(0, 10), (10, 50)],
        [(0, 10), (5, 50)],
        [(0, 30), (0, 20), (30, 50)],
        [(0, 30), (0, 50), (0, 50)],
        [(0, 50), (50, 50)],
    ],
)
def test_whatever_the_fetches_each_record_is_folded_once(fetches: list[tuple[int, int]]) -> None:
    """Whole, in parts, overlapping, read again after a seek."""
    app, table, part = worker()
    for first, end in fetches:
        assert fold(app, table, "clout.likes", 3, fetch(first, end))
    part.settle()
    assert part.fates.tolist() == [50, 0, 0, 0, 0]
    assert columns(part) == columns(fold_log(LOG)[0])
    assert sum(records for _, _, records, _ in app.letters) == 50


def test_a_fetch_that_leaves_a_gap_is_not_folded() -> None:
    """The answer says to seek back; nothing was counted, and the right fetch still is."""
    app, table, part = worker()
    assert fold(app, table, "clout.likes", 3, fetch(0, 10))
    assert not fold(app, table, "clout.likes", 3, fetch(11, 50))
    assert part.positions[0] == 10
    assert fold(app, table, "clout.likes", 3, fetch(10, 50))
    assert part.positions[0] == 50


def test_a_fold_that_fails_lets_no_round_write() -> None:
    """Some of the fetch may be staged, and it will be read again."""
    app, table, part = worker()
    part.fold = None  # calling it fails, as running out of memory would
    with pytest.raises(TypeError):
        fold(app, table, "clout.likes", 3, fetch(0, 10))
    assert app.failures == 1
    assert app.letters == []


def test_a_fetch_of_a_partition_that_was_revoked_is_let_go() -> None:
    """Its new owner reads it."""
    app, table, _ = worker()
    assert fold(app, table, "clout.likes", 4, fetch(0, 10))
    assert app.letters == []
