"""Steady traffic from a ledger, published beside the test while things are done to the pipeline."""

import asyncio
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.settings import Settings
from schemas import Engagement
from tests.support.ledger import Ledger

_STEP_S: Final = 0.02


async def publish(settings: Settings, events: Sequence[Engagement]) -> None:
    """Publish some events; they are acknowledged when this returns."""
    publisher = Publisher(settings)
    await publisher.start()
    await publisher.publish(Routes(settings).route(events))
    await publisher.flush()
    await publisher.stop()


class Load:
    """Publishes what the ledger issues, at a rate, from a thread; leaving waits until all is acknowledged."""

    def __init__(self, settings: Settings, ledger: Ledger, rate: float) -> None:
        self._settings = settings
        self._ledger = ledger
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._failure: BaseException | None = None
        self._began = time.monotonic()
        self._issued = 0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        seconds = time.monotonic() - self._began
        self._thread.join(60)
        assert not self._thread.is_alive(), "the broker does not acknowledge"
        print(f"load: {self._issued} events in {seconds:.0f} s")
        if self._failure is not None and kind is None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._publish())
        except BaseException as failure:  # noqa: BLE001 - raised by the test's thread
            self._failure = failure

    async def _publish(self) -> None:
        publisher = Publisher(self._settings)
        routes = Routes(self._settings)
        await publisher.start()
        while not self._stop.is_set():
            due = int((time.monotonic() - self._began) * self._rate) - self._issued
            if due > 0:
                events = self._ledger.issue(due)
                self._issued += due
                await publisher.publish(routes.route(events))
                # `flush` below waits for all of them; a publisher gives nothing up before `stop`.
                self._ledger.acknowledge(events)
            await asyncio.sleep(_STEP_S)
        await publisher.flush()
        await publisher.stop()
        assert sum(publisher.counts.values()) == self._issued
