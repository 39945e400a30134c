"""The speed of a replay: event time against the clock on the wall."""

import re
import time
from collections.abc import Callable
from typing import Final

from pipeline.errors import ConfigError

_FACTOR: Final = re.compile(r"(\d+(?:\.\d+)?)x")


def parse_speed(text: str) -> float | None:
    """
    Return the factor of `1x`, `100x`, `0.5x`; None for `max`.

    Raises:
        ConfigError: It is neither.
    """
    if text == "max":
        return None
    match = _FACTOR.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"--speed {text}: give max, or a factor such as 1x or 100x")
    return float(match[1])


class Pace:
    """Tells how long to wait for an event: the first one is due at once."""

    def __init__(self, factor: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._factor = factor
        self._monotonic = monotonic
        self._first: tuple[int, float] | None = None

    def delay(self, event_time: int) -> float:
        """Return the seconds until an event of this time (Unix ms) is due; 0 or less when it is."""
        now = self._monotonic()
        if self._first is None:
            self._first = (event_time, now)
        start, began = self._first
        return (event_time - start) / 1000 / self._factor - (now - began)

    def reached(self) -> int:
        """Return the event time that the replay has reached, Unix ms."""
        assert self._first is not None
        start, began = self._first
        return start + int((self._monotonic() - began) * 1000 * self._factor)
