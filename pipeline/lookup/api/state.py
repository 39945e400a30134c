"""What the handlers share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from pipeline.clock import Clock
from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.documents import Documents
from pipeline.lookup.freshness import FreshnessWatch
from pipeline.lookup.hub import Hub
from pipeline.lookup.search import Search
from pipeline.lookup.store import ScoreStore
from pipeline.lookup.stream import Stream
from pipeline.settings import Settings

_HUB_TIMEOUT_S: Final = 5.0
"""Longer than a hub waits for the next entry."""


class Service:
    """The parts of a lookup service. They connect to Redis when `running` begins, and it may be away."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.store = ScoreStore.from_settings(settings)
        self.freshness = FreshnessWatch(self.store, clock)
        self._hub_redis = connect(settings.redis, _HUB_TIMEOUT_S)
        self.documents = Documents(self.store.get, self._is_current)
        self.search = Search(self.store)
        self.store.on_read = self.documents.saw
        self.changes = Hub(Stream(self._hub_redis, keys.CHANGES), self.documents.note, self.documents.clear)
        self.spikes = Hub(Stream(self._hub_redis, keys.SPIKES))

    def _is_current(self) -> bool:
        return self.changes.is_current and not self.freshness.rebuilding

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the streams within the context."""
        self.changes.start()
        self.spikes.start()
        self.freshness.start()
        try:
            yield
        finally:
            await self.end_subscriptions()
            await self.freshness.close()
            await self._hub_redis.aclose()
            await self.store.aclose()

    async def end_subscriptions(self) -> None:
        """Let all subscribers go."""
        await self.changes.close()
        await self.spikes.close()
