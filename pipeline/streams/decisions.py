"""Brings administrators' decisions from the control topic to the partitions of this worker."""

import asyncio
import contextlib
from typing import Final

from pipeline.control.follower import Follower
from pipeline.control.table import ControlTable
from pipeline.errors import BrokerUnavailableError
from pipeline.settings import Settings
from pipeline.streams.table import EngagementTable
from schemas import Control, Forgotten, Override

_ARRIVE_S: Final = 30.0
"""The broker answers, else there would be no partitions to recover; the topic is small."""


class DecisionsFollower:
    """Follows the control topic with a consumer of its own: it is no input of one partition, but of all."""

    def __init__(self, settings: Settings, table: EngagementTable) -> None:
        self._table = table
        self._control = ControlTable()
        self._control.listen(self._take)
        self._follower = Follower(settings, self._control)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._follower.run())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def arrived(self) -> None:
        """
        Wait until all that was decided before has arrived: nothing may be folded without it.

        Raises:
            BrokerUnavailableError: It has not for half a minute.
        """
        try:
            async with asyncio.timeout(_ARRIVE_S):
                await self._follower.completed.wait()
        except TimeoutError as exc:
            raise BrokerUnavailableError("the control topic cannot be read: look at the broker's log") from exc

    def _take(self, record_id: str, record: Control | None) -> None:
        decisions = self._table.decisions
        kind, _, user = record_id.partition(":")
        if isinstance(record, Forgotten | Override):
            decisions.add(record)
            if isinstance(record, Forgotten):
                self._table.forget(record.user)
        elif kind == "override":
            decisions.take_back_override(user)
        elif kind == "forgotten":
            decisions.forgotten.remove(user)
