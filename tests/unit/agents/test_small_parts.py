"""Ticks, cursor and tally."""

from collections import Counter
from pathlib import Path

import pytest

from agents.cursor import CursorFile, Progress
from agents.lane import Receipt
from agents.protocol import Batch
from agents.tally import Tally
from agents.ticks import MINUTE_MS, Ticker
from pipeline.errors import ConfigError
from schemas import Tick


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        """Return the time."""
        return self.now


def test_a_tick_is_due_each_minute_of_the_source() -> None:
    """And at the very beginning."""
    time = Time()
    ticker = Ticker("test", clock=time)
    ticks = []
    for second in range(0, 301, 10):
        time.now += 10_000
        ticks.append(ticker.due(5_000_000 + second * 1_000))
    assert [tick.time for tick in ticks if tick] == [5_000_000 + n * MINUTE_MS for n in range(6)]


def test_a_fast_replay_ticks_once_a_second_at_most() -> None:
    """Hours of event time may pass in a second."""
    time = Time()
    ticker = Ticker("test", clock=time)
    assert ticker.due(MINUTE_MS) is not None
    assert ticker.due(100 * MINUTE_MS) is None
    time.now += 1_000
    assert ticker.due(200 * MINUTE_MS) == Tick("test", 200 * MINUTE_MS)


def test_ticks_never_go_back() -> None:
    """A late event doesn't turn the clock."""
    time = Time()
    ticker = Ticker("test", clock=time)
    ticker.due(10 * MINUTE_MS)
    time.now += 5_000
    assert ticker.due(5 * MINUTE_MS) is None
    assert ticker.last() is None, "the last one was told already"
    ticker.due(10 * MINUTE_MS + 5)
    assert ticker.last() == Tick("test", 10 * MINUTE_MS + 5)


def test_a_source_that_reached_no_time_has_no_last_tick() -> None:
    """An empty file says nothing about time."""
    assert Ticker("test").last() is None


def test_a_cursor_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """It is replaced whole, and no part of it stays behind."""
    cursor = CursorFile(tmp_path / "deep" / "cursor.json")
    assert cursor.load() is None
    cursor.save({"line": 1})
    cursor.save({"line": 2, "shift": -5})
    assert cursor.load() == {"line": 2, "shift": -5}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["cursor.json"]


def test_a_damaged_cursor_is_named(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "cursor.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"cursor.json.*remove it"):
        CursorFile(path).load()


def test_a_cursor_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="CLOUT_DATA_DIR"):
        CursorFile(tmp_path / "data" / "cursor.json").save({})


def test_a_position_is_saved_only_after_all_before_it_is_acknowledged() -> None:
    """A later batch may be acknowledged first."""
    progress = Progress()
    first, second = Receipt(2), Receipt(0)
    progress.add(first, Batch(read=12, skipped={"self": 2}, position={"line": 10}))
    progress.add(second, Batch(read=5, position={"line": 15}))
    assert not progress.settle()
    first.remaining = 0
    assert progress.settle()
    assert (progress.position, progress.settled) == ({"line": 15}, 15)


def test_the_last_line_of_a_run_adds_up() -> None:
    """Read = published + skipped + unacknowledged."""
    tally = Tally(10, Counter(self=2), 1, 3, Counter(likes=5, ticks=8))
    assert tally.line() == (
        "read 10 = published 5 + skipped 2 + unacknowledged 3 | skipped: self 2 | undone 1 "
        "| acknowledged: likes 5, ticks 8"
    )
    assert Tally().line() == "read 0 = published 0 + skipped 0 | acknowledged: nothing"
