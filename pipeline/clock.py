"""Wall-clock time, in one place: logic takes a `Clock` and never asks the system itself."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns Unix milliseconds, UTC."""


def system_clock() -> int:
    """Return now as Unix milliseconds, UTC."""
    return time.time_ns() // 1_000_000
