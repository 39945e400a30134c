"""Told spikes against those of the log: the same within a tolerance, each the counterpart of one other."""

import msgspec
import pytest

from pipeline.spike_check import BEGAN_MS, Course, SpikeReport, courses, told_since
from schemas import Spike
from schemas.generate import EXAMPLES

SPIKE = msgspec.json.decode((EXAMPLES / "spike.json").read_bytes(), type=Spike)
ONE = Course("x:a", "rise", 1_000_000, 3)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (ONE, True),
        (Course("x:a", "rise", 1_000_000 - BEGAN_MS, 4), True),
        (Course("x:a", "rise", 1_000_001 + BEGAN_MS, 3), False),
        (Course("x:a", "rise", 1_000_000, 5), False),
        (Course("x:a", "drop", 1_000_000, 3), False),
        (Course("x:b", "rise", 1_000_000, 3), False),
    ],
)
def test_a_spike_is_the_same_within_the_tolerance(other: Course, is_same: bool) -> None:
    """And what is not, is named on both sides."""
    report = SpikeReport()
    report.compare([ONE], [other])
    assert (report.told, report.found) == (1, int(is_same))
    assert bool(report.missing) == bool(report.untold) == (not is_same)


def test_one_spike_of_the_log_answers_for_one_that_was_told() -> None:
    """A spike that was told twice under two ids is found once."""
    report = SpikeReport()
    report.compare([ONE, Course("x:a", "rise", 1_030_000, 3)], [ONE])
    assert (report.told, report.found, len(report.missing), report.untold) == (2, 1, 1, [])


def test_the_records_of_a_spike_are_one_course() -> None:
    """Of its levels the highest counts; repeats change nothing; those of an earlier log are left out."""
    records = [msgspec.structs.replace(SPIKE, level=level, version=level) for level in (1, 2, 3, 3)]
    assert courses(records) == [Course(SPIKE.user, SPIKE.direction, SPIKE.began, 3)]
    values = [msgspec.json.encode(record) for record in records]
    assert told_since([*values, None], 0) == courses(records)
    assert told_since(values, 3) == []
