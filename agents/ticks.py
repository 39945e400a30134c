"""Ticks: time passes although nothing happens."""

from typing import Final

from pipeline.clock import Clock, system_clock
from schemas import Tick

MINUTE_MS: Final = 60_000
_LEAST_MS: Final = 1_000
"""A replay at full speed passes hundreds of minutes a second; a tick a second of wall-clock time will do."""


class Ticker:
    """Says when a tick is due: a minute of the source's time after the last one, but not twice in a second."""

    def __init__(self, source: str, *, clock: Clock = system_clock) -> None:
        self._source = source
        self._clock = clock
        self._reached: int | None = None
        self._ticked = 0
        self._ticked_at = 0

    def due(self, time: int) -> Tick | None:
        """Return the tick that is due now that the source has reached `time` (Unix ms), if any. Time only grows."""
        self._reached = time = time if self._reached is None else max(time, self._reached)
        now = self._clock()
        if time - self._ticked < MINUTE_MS or now - self._ticked_at < _LEAST_MS:
            return None
        return self._tick(time, now)

    def last(self) -> Tick | None:
        """Return the tick that ends a source, or None where no time was reached or it was told already."""
        if self._reached is None or self._reached == self._ticked:
            return None
        return self._tick(self._reached, self._clock())

    def _tick(self, time: int, now: int) -> Tick:
        self._ticked, self._ticked_at = time, now
        return Tick(source=self._source, time=time)
