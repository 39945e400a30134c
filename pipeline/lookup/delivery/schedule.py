"""When a delivery that failed is tried again."""

import random
from typing import Final

PAUSES_S: Final = (5, 300, 1_800, 7_200, 18_000, 28_800, 28_800)
"""After the first attempt, and so on: a day in all, as Standard Webhooks proposes."""
_JITTER: Final = 0.1
"""So that what failed together does not come back together."""


def next_attempt(attempts: int, now: int, retry_after_s: float | None = None) -> int | None:
    """
    Return when to try again, or None when it was tried for a day.

    Args:
        attempts: How often it was tried.
        now: Unix ms.
        retry_after_s: What the receiver asked for; never sooner than planned.
    """
    if attempts > len(PAUSES_S):
        return None
    planned = PAUSES_S[attempts - 1] * (1 + random.uniform(0, _JITTER))  # noqa: S311 - no secret
    return now + int(max(planned, min(retry_after_s or 0, 86_400)) * 1000)
