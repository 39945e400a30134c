"""Repeated ids in logs of any order of time, across crashes: found as if there had been none."""

from typing import Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.state.codec import encode_meta, encode_rows
from pipeline.state.partition import Partition, StateConfig
from pipeline.state.sources import SOURCES
from tests.unit.state.log import HOUR, NOW, Log, columns, engagement, restored

CONFIG: Final = StateConfig(dedupe_seconds=3600, dedupe_ids=32)
"""Repeats are looked for among 8 records of a topic."""

LIKES: Final = 0

Crash = tuple[int, int, bool]

OLD: Final = (2, 4, 6, 8, 10, 12, 14)

logs = st.lists(
    st.tuples(st.sampled_from([0, *OLD, *OLD]), st.sampled_from([0, 0, *range(1, 10)])), min_size=12, max_size=60
)
"""Of each record how many hours old its event is; and how many records before it was first sent, or 0."""

crashes = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 6), st.booleans()), min_size=1, max_size=5)
"""How many records are folded and committed; how many then are flushed; whether these are committed, too."""


def log_of_likes(records: list[tuple[int, int]]) -> Log:
    """Return a log of likes, some of them repeated."""
    log, events = Log(), []
    for number, (age, before) in enumerate(records):
        first = events[number - before] if 0 < before <= number else None
        events.append(first or engagement(id=f"n:{number}", time=NOW - age * HOUR))
        log.add(events[-1])
    return log


class Worker:
    """A worker on that log, with the changelog and the committed offset of those before it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.changelog: list[tuple[bytes, bytes]] = []
        self.part = Partition(0, CONFIG)

    def fold(self, count: int) -> None:
        """Fold so many records."""
        first = int(self.part.positions[LIKES])
        assert not self.part.fold(LIKES, self.log.run(LIKES, first, first + count))

    def flush(self) -> None:
        """Write to the changelog."""
        self.part.settle()
        rows = np.arange(len(self.part))
        self.changelog += [*encode_rows(self.part, rows, ~self.part.owed[rows], 1), encode_meta(self.part, 1)]

    def commit(self) -> None:
        """Commit what was flushed."""
        self.part.committed[:] = self.part.positions

    def crash(self) -> None:
        """Go on as the next owner."""
        committed = self.part.committed.copy()
        self.part = restored(self.changelog, committed, CONFIG)
        for source in range(len(SOURCES)):
            if committed[source]:
                run = self.log.run(source, self.part.reads_from(source), int(committed[source]))
                for first in range(run.first, run.end, 3):
                    self.part.remember(source, self.log.run(source, first, min(first + 3, run.end)))


@settings(max_examples=500, deadline=None)
@given(records=logs, crashed=crashes)
def test_repeats_are_found_as_if_there_had_been_no_crash(records: list[tuple[int, int]], crashed: list[Crash]) -> None:
    """Whatever was committed of what was flushed, and however late the log was before what is read again."""
    log = log_of_likes(records)
    whole, worker = Worker(log), Worker(log)
    whole.fold(len(records))
    whole.part.settle()
    for folded, flushed, is_committed in crashed:
        worker.fold(folded)
        worker.flush()
        worker.commit()
        worker.fold(flushed)
        worker.flush()
        if is_committed:
            worker.commit()
        worker.crash()
    worker.fold(len(records))
    worker.part.settle()
    assert worker.part.fates.tolist() == whole.part.fates.tolist()
    assert columns(worker.part) == columns(whole.part)
