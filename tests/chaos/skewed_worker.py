"""
A worker whose clock is set back, again and again: what a bad time server or a resumed machine does.

Run as `python -m tests.chaos.skewed_worker SECONDS`. Its monotonic clock runs on, as the system's does.
"""

import itertools
import sys
import time
from typing import Final

STEP_EVERY: Final = 50
"""Readings of the clock between two steps."""


def set_back(seconds: int) -> None:
    """Let the clock jump back by so many seconds, and forth again, every few readings."""
    readings, now_ns = itertools.count(), time.time_ns

    def skewed_ns() -> int:
        return now_ns() - (next(readings) // STEP_EVERY % 2) * seconds * 1_000_000_000

    time.time_ns = skewed_ns
    time.time = lambda: skewed_ns() / 1e9


if __name__ == "__main__":
    set_back(int(sys.argv[1]))
    from pipeline.streams.run import run

    run()
