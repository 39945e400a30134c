"""Features for tests of the score."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.scoring.factors import AVERAGE_INFLUENCE
from pipeline.scoring.features import SCALES, Features, empty
from pipeline.scoring.windows import KERNEL_ONE, SCALE_WINDOWS, WINDOWS


def faded(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a faded column of one row for each value: as much on every scale."""
    return np.repeat(np.array(values, float)[:, None], SCALES, axis=1)


def engaged(
    people: float, each: float = 1.0, *, posts: float = 0.0, followers: int = -1, influence: float = 1.0
) -> Features:
    """
    Return one row that was just engaged with.

    Args:
        people: Distinct actors, average ones.
        each: Ordinary likes by each of them.
        posts: The row's own posts.
        followers: -1 when unknown.
        influence: Of each actor; 1 is the average.
    """
    return replace(
        empty(1),
        posts=faded(posts),
        worth=faded(people * each),
        reach=faded(people),
        impact=faded(people * influence * AVERAGE_INFLUENCE),
        engagers=np.array([float(people)]),
        followers=np.array([followers]),
    )


def aged(people: float, seconds: Any) -> Features:
    """Return a row for each age, engaged with that many seconds ago by all people at once."""
    age = np.asarray(seconds, np.int64)
    kernel = np.stack([WINDOWS.kernel(window, age) for window in SCALE_WINDOWS], axis=1) / KERNEL_ONE
    return replace(
        empty(len(age)),
        worth=people * kernel,
        reach=people * kernel,
        impact=people * kernel * AVERAGE_INFLUENCE,
        engagers=np.full(len(age), float(people)),
    )
