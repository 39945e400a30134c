"""The synthetic agent: made-up traffic that looks like that of several networks."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Final

from agents.protocol import Batch, Position
from agents.traffic import SyntheticConfig, SyntheticRecord, Traffic, generate
from pipeline.clock import Clock, system_clock

__all__ = ["Synthetic", "SyntheticConfig", "SyntheticRecord", "generate"]

_PAUSE_S: Final = 0.01
"""Between two live batches: far below what a score may take."""
_MOST: Final = 8192


class Synthetic:
    """
    Makes up events at a rate, by the wall clock; or, with `spread_days`, a history that ends now.

    Without a rate it goes as fast as it can: the events of a batch fall between the batch before and now.
    """

    name = "synthetic"

    def __init__(self, config: SyntheticConfig, *, clock: Clock = system_clock) -> None:
        self._config = config
        self._clock = clock
        self._began = 0
        self._done = 0

    @property
    def live(self) -> bool:
        """A spread history has times of its own; all else happens now."""
        return not self._config.spread_days

    def share(self) -> float | None:
        """Return how much has been made up of what was asked for."""
        return None if self._config.events is None else self._done / max(self._config.events, 1)

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:  # noqa: ARG002 - has no place
        """
        Yield events until there are as many as asked for.

        Raises:
            ConfigError: The configuration cannot be met.
        """
        self._began = self._clock()
        history = self._history() if self._config.spread_days else self._now()
        async for records in history:
            self._done += len(records)
            yield Batch(items=list(records), read=len(records), time=max(record.time for record in records))

    async def _history(self) -> AsyncGenerator[list[SyntheticRecord]]:
        for records in generate(self._config):
            yield records
            await asyncio.sleep(self._ahead_s())

    async def _now(self) -> AsyncGenerator[list[SyntheticRecord]]:
        traffic = Traffic(self._config.users, self._config.seed, self._config.start_ms)
        then = self._began
        while left := self._left():
            now = self._clock()
            count = min(self._allowed(), left, _MOST)
            if count and now > then:
                yield traffic.batch(count, then, now)
                then = now
            else:
                await asyncio.sleep(_PAUSE_S)

    def _left(self) -> int:
        return sys.maxsize if self._config.events is None else self._config.events - self._done

    def _ahead_s(self) -> float:
        """Return how long to wait until the rate allows what was made up."""
        if self._config.rate is None:
            return 0.0
        return max(0.0, self._done / self._config.rate - (self._clock() - self._began) / 1000)

    def _allowed(self) -> int:
        """Return how many events the rate allows by now beyond those made up."""
        if self._config.rate is None:
            return _MOST
        return max(0, int(self._config.rate * (self._clock() - self._began) / 1000) - self._done)
