"""What the oracle holds against a user while traffic goes on, until what explains it comes, or the patience ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiokafka import TopicPartition

from pipeline.contributed import Disagreement
from pipeline.log_reader import LogReader

PATIENCE_S: Final = 60.0
"""A document or a contribution that is owed comes within 30 s, and some more on a busy machine."""
_LOOK_S: Final = 0.5


class _Document(msgspec.Struct):
    user: str
    version: int


class _Contribution(msgspec.Struct):
    account: str
    version: int


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_CONTRIBUTION: Final = msgspec.json.Decoder(_Contribution)


@dataclass(slots=True)
class Newer:
    """A document that Redis held, of a higher version than the topic had when it was read."""

    version: int
    value: bytes


@dataclass(slots=True)
class Pending:
    """What may be on its way, or wrong; and from where the topics that will tell are read on."""

    scores: dict[TopicPartition, int] = field(default_factory=dict)
    contributions: dict[TopicPartition, int] = field(default_factory=dict)
    owing: dict[str, int] = field(default_factory=dict)
    """Users whose document is missing or behind, and the version that they have; -1 for none."""
    newer: dict[str, Newer] = field(default_factory=dict)
    """By user: right once it stands in the topic, too."""
    disagreements: list[Disagreement] = field(default_factory=list)

    async def wait(self, reader: LogReader, patience_s: float = PATIENCE_S) -> None:
        """
        Read on until nothing is left, or the patience has ended; with none the topics are still read once.

        Raises:
            BrokerUnavailableError: It answers no more.
        """
        deadline = time.monotonic() + patience_s
        await self._look(reader)
        while (self.owing or self.newer or self.disagreements) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
            await self._look(reader)

    async def _look(self, reader: LogReader) -> None:
        if self.owing or self.newer:
            async for value in _arrivals(reader, self.scores):
                self._strike(_DOCUMENT.decode(value), value)
        if self.disagreements:
            told: dict[str, int] = {}
            async for value in _arrivals(reader, self.contributions):
                sent = _CONTRIBUTION.decode(value)
                told[sent.account] = max(sent.version, told.get(sent.account, -1))
            self.disagreements = [each for each in self.disagreements if told.get(each.account, -1) <= each.version]

    def _strike(self, document: _Document, value: bytes) -> None:
        user = document.user
        if user in self.owing and document.version > self.owing[user]:
            del self.owing[user]
        held = self.newer.get(user)
        # Compaction may have removed the very record, but only for a newer one.
        if held is not None and (value == held.value or document.version > held.version):
            del self.newer[user]


async def _arrivals(reader: LogReader, positions: dict[TopicPartition, int]) -> AsyncIterator[bytes]:
    """Yield the values from these positions on, and move the positions."""
    async for tp, run in reader.runs(positions):
        positions[tp] = run.end
        for value in run.values:
            if value is not None:
                yield value
