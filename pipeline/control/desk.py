"""The desk: where the service reads control records and has them changed."""

import asyncio
import contextlib
import time
from typing import Final

from pipeline.control.follower import Follower, Mirror
from pipeline.control.table import ControlTable
from pipeline.control.writer import ControlWriter
from pipeline.settings import Settings
from schemas import Control

_SETTLING_S: Final = 10.0
"""The topic is read within a second; without Kafka what does not need it goes on after this time."""


class ControlDesk:
    """The table of a running service, with the follower that keeps it and the writer that changes the topic."""

    def __init__(self, settings: Settings, mirror: Mirror | None) -> None:
        self.table = ControlTable()
        self.prefix = settings.topic_prefix
        """Stands before the names of topics."""
        self._writer = ControlWriter(settings)
        self._follower = Follower(settings, self.table, mirror)
        self._task: asyncio.Task[None] | None = None
        self._began = time.monotonic()

    @property
    def is_settling(self) -> bool:
        """Whether the records are being read for the first time, and soon will be."""
        return not self.table.is_complete and time.monotonic() - self._began < _SETTLING_S

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._began = time.monotonic()
        self._task = asyncio.create_task(self._follower.run())

    async def completed(self) -> None:
        """Wait until the topic was read to its end, however long the broker is away."""
        await self._follower.completed.wait()

    async def put(self, record: Control) -> None:
        """
        Write a record and wait until the table has it.

        Raises:
            BrokerUnavailableError: The broker did not acknowledge it.
        """
        await self._follower.reached(await self._writer.put(record))

    async def delete(self, record_id: str) -> None:
        """
        Take a record back and wait until the table has it no more.

        Raises:
            BrokerUnavailableError: The broker did not acknowledge it.
        """
        await self._follower.reached(await self._writer.delete(record_id))

    async def blank_profile(self, user: str, time: int) -> None:
        """
        Publish a profile that says nothing: compaction then deletes what an earlier one said.

        Raises:
            BrokerUnavailableError: The broker did not acknowledge it.
        """
        await self._writer.blank_profile(user, time)

    async def close(self) -> None:
        """Stop following and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._writer.close()
