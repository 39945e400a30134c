"""Freshness: how old what Redis has may be, by what the sink last noted there."""

import asyncio
from contextlib import suppress
from typing import Final

from pipeline.clock import Clock
from pipeline.errors import StoreUnavailableError
from pipeline.lookup.store import Freshness, ScoreStore

_ASK_S: Final = 1.0
_STALE_MS: Final = 5_000
"""The sink notes once a second that nothing is missing: an older note means that something may be."""


class FreshnessWatch:
    """Asks once a second, so that no request has to."""

    def __init__(self, store: ScoreStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._last: Freshness | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask, in the background; Redis may be away."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def rebuilding(self) -> bool:
        """Whether Redis is being filled from the beginning, or may be."""
        return self._last is None or self._last.rebuilding

    def stale(self) -> str | None:
        """
        Return for how many seconds something may have been missing, None when nothing is.

        It is `unknown` when no sink has told.
        """
        caught_up = None if self._last is None else self._last.caught_up
        if caught_up is None:
            return "unknown"
        age = self._clock() - caught_up
        return str(age // 1000) if age > _STALE_MS else None

    async def _run(self) -> None:
        while True:
            with suppress(StoreUnavailableError):
                self._last = await self._store.freshness()
            await asyncio.sleep(_ASK_S)
