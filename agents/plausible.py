"""Which event times a live source may name."""

from typing import Final

from pipeline.topics import DAY_MS

REASON: Final = "implausible_time"
"""The reason of an event that claims to be of another age."""
_OLDEST_MS: Final = 92 * DAY_MS
"""As long as the sources are kept: what is older counts nowhere."""
AHEAD_MS: Final = 240_000
"""Below the five minutes from which on the fold refuses a record."""


def plausible(time: int, now: int) -> bool:
    """Tell whether something that is heard of `now` may have happened at `time` (Unix ms)."""
    return now - _OLDEST_MS <= time <= now + AHEAD_MS
