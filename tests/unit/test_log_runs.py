"""The runs in which the oracle reads a partition's topics."""

from itertools import accumulate

import pytest

from pipeline.log_runs import APART_MS, RUN, Log, runs
from pipeline.state.records import Records
from pipeline.state.sources import SOURCES


def log_with(offsets: list[int], times: list[int] | None = None) -> Log:
    """Return a log with records at some offsets; they come one a millisecond unless times are given."""
    times = list(offsets) if times is None else times
    keys: list[bytes | None] = [b"k%d" % offset for offset in offsets]
    return Log(0, offsets, times, keys, list(keys), [()] * len(offsets), list(accumulate(times, max)))


def runs_of(logs: dict[str, Log], ends: dict[str, int], **positions: int) -> list[tuple[int, Records]]:
    """Return the runs of some topics from positions, 0 unless they are given."""
    return list(runs({name: logs.get(name, Log()) for name in SOURCES}, dict.fromkeys(SOURCES, 0) | positions, ends))


@pytest.mark.parametrize(
    ("position", "end", "expected"),
    [
        (0, 10, [0, 3, 4, 9]),
        (1, 10, [3, 4, 9]),
        (0, 4, [0, 3]),
        (4, 5, [4]),
        (5, 9, []),
        (9, 10, [9]),
        (10, 20, []),
        (0, 50, [0, 3, 4, 9]),
    ],
)
def test_the_runs_of_a_log_cover_every_position_and_no_other(position: int, end: int, expected: list[int]) -> None:
    """From the position to the end without a gap, whatever compaction took."""
    found = [run for _, run in runs_of({"likes": log_with([0, 3, 4, 9])}, {"likes": end}, likes=position)]
    assert [offset for run in found for offset in run.offsets] == expected
    assert [run.first for run in found] == [position, *(run.end for run in found[:-1])]
    assert found[-1].end == end
    assert all(len(run.keys) == len(run.values) == len(run.timestamps) == len(run) for run in found)


@pytest.mark.parametrize("n", [1, RUN - 1, RUN, RUN + 1, 3 * RUN])
def test_a_long_log_comes_in_runs(n: int) -> None:
    """None longer than the limit, and all of it."""
    offsets = list(range(0, 2 * n, 2))
    found = [run for _, run in runs_of({"likes": log_with(offsets)}, {"likes": 2 * n})]
    assert max(map(len, found)) <= RUN
    assert [offset for run in found for offset in run.offsets] == offsets
    assert [run.first for run in found[1:]] == [run.end for run in found[:-1]]


def test_nothing_to_fold_is_no_run() -> None:
    """The position is the end."""
    assert runs_of({"likes": log_with([0, 1])}, {"likes": 2}, likes=2) == []


def test_no_topic_is_read_far_ahead_of_the_others() -> None:
    """By log time: what a live worker fetches together is folded together; a producer's clock may go back."""
    apart = APART_MS // 2
    slow = [number * apart for number in range(40)]
    logs = {"likes": log_with(list(range(40)), slow), "shares": log_with([0, 1, 2], [0, 30 * apart, 10 * apart])}
    newest = {"likes": 0, "shares": 0}
    for source, run in runs_of(logs, {"likes": 40, "shares": 3}):
        newest[SOURCES[source]] = max(newest[SOURCES[source]], int(run.timestamps.max()))
        if newest["likes"] < slow[-1] and newest["shares"] < 30 * apart:
            assert newest["likes"] <= 30 * apart + APART_MS
    order = [(SOURCES[source], int(run.offsets[0])) for source, run in runs_of(logs, {"likes": 40, "shares": 3})]
    assert order.index(("shares", 1)) > 1
    assert [offset for name, offset in order if name == "shares"] == [0, 1]
