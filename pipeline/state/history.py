"""What rows had before they were watched, from what their tier keeps."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.baseline import HOURS
from pipeline.state.events import is_counted
from pipeline.state.large import LargeRows
from pipeline.state.small import SmallRows
from pipeline.state.sources import POST_KIND
from pipeline.state.watches import Past

_HOUR: Final = 3600
_DAY_HOURS: Final = 24
_WEEK_HOURS: Final = 168


def past_of(
    large: NDArray[np.int32], large_rows: LargeRows, small_rows: SmallRows, rows: NDArray[np.int64], as_of: int
) -> Past:
    """
    Return the past of n rows.

    Their baseline is the last day or the week before it, whichever was busier: one day's silence makes none.

    Args:
        large: [n], the rows' numbers among the large ones, -1 for small ones.
        large_rows: Holds them.
        small_rows: Holds the others.
        rows: [n]
        as_of: Seconds.
    """
    hour, day, week, ever = (np.zeros(len(rows), np.int64) for _ in range(4))
    big, small = np.flatnonzero(large >= 0), np.flatnonzero(large < 0)
    if len(big):
        counts = large_rows.counts[large[big].astype(np.int64)][..., :POST_KIND].astype(np.int64).sum(axis=(2, 3))
        hour[big], day[big], week[big], ever[big] = counts.T
    where, time = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(small):
        events = small_rows.events.gather(rows[small])
        place = np.repeat(np.arange(len(small)), small_rows.events.lengths[rows[small]])
        counted = is_counted(events)
        place, time = place[counted], events["time"][counted].astype(np.int64)
        where = small[place]
        age = (as_of - time) // _HOUR
        for column, hours in ((hour, 1), (day, _DAY_HOURS), (week, _WEEK_HOURS), (ever, as_of)):
            column[small] = np.bincount(place[age < hours], minlength=len(small))
    # What the last hour brought may be the rush that the baseline is for.
    before = np.maximum(day - hour, 0)
    per_hour = np.maximum(before / (_DAY_HOURS - 1), np.maximum(week - day, 0) / (_WEEK_HOURS - _DAY_HOURS))
    # Whoever had anything before today is known for as long as it takes.
    known = np.where(ever > day, HOURS - 1, np.where(before > 0, _DAY_HOURS, 0))
    return Past(per_hour, known, large < 0, where, time)
