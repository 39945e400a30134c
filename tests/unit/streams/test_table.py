"""What the engagement table makes of what brokers say about their logs."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from pipeline.state.partition import Partition
from pipeline.state.sources import SOURCE_OF
from pipeline.streams.table import EngagementTable

LIKES = SOURCE_OF["likes"]


@pytest.mark.parametrize(("end", "counted"), [(9, 9), (7, 8), (10, 10), (12, 10)])
def test_nobody_waits_for_records_that_the_broker_has_lost(end: int, counted: int) -> None:
    """The last owner had counted ten; eight are folded. What is not in the log any more never comes."""
    part = Partition(3)
    part.counted[LIKES], part.positions[LIKES] = 10, 8
    held = SimpleNamespace(partitions_held={3: part}, source=lambda _: LIKES)
    EngagementTable.give_up_lost(cast("Any", held), {TP("clout.likes", 3): end, TP("clout.likes", 4): 1})
    assert part.counted[LIKES] == counted
    assert part.is_behind is (counted > 8)
