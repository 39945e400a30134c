"""What is kept of a history, in plain Python: `apply_history.lua` does the same."""

from pipeline.lookup.history.series import (
    DAY_MS,
    DAYS_KEPT_MS,
    HOUR_MS,
    HOURS_KEPT_MS,
    MINUTE_MS,
    MINUTES_KEPT_MS,
    Point,
)


def thinned(points: list[Point]) -> list[Point]:
    """Return what is kept of points, oldest first; the last one's time is now."""
    if not points:
        return []
    now = points[-1].time
    kept: dict[tuple[int, int], Point] = {}
    for point in points:
        age = now - point.time
        slot_ms = MINUTE_MS if age < MINUTES_KEPT_MS else HOUR_MS if age < HOURS_KEPT_MS else DAY_MS
        # What is older than all that is kept is one slot: its last score held when the rest began.
        kept[(slot_ms, point.time // slot_ms) if age < DAYS_KEPT_MS else (0, 0)] = point
    return list(kept.values())
