"""
What a zombie wrote into our changelog is written over.

No broker refuses the flush of a worker that stood still between the fence and its flush. Its rows lose against ours
wherever both are read; but compaction keeps the last record of a key, whoever wrote it. Nobody but its owner writes to
a partition's changelog: where an acknowledgement, or the end, is beyond what the owner has written, a zombie has.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from aiokafka.errors import KafkaError
from faust.types import TP

from pipeline.changelog import changelog_of
from pipeline.errors import BrokerRefusesError, BrokerUnavailableError
from pipeline.log_reader import LogReader
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.state.overtaken import Overtaken
from pipeline.state.partition import Partition
from pipeline.streams.batches import Acknowledged
from pipeline.streams.emission import Emission

_log = get_logger(__name__)

LOOK_S: Final = 30.0
"""Time between looks. Compaction leaves a day, but a document of a zombie may hide ours until we have looked."""

READ_S: Final = 3.0
"""How long a look may read a partition: scores wait for it. It is tried again."""


@dataclass(slots=True)
class Tail:
    """What the owner of a partition knows of the end of its changelog."""

    end: int
    """The offset after the last record that it read or wrote."""
    suspect: int | None = None
    """The offset from which on somebody else may have written."""
    hidden_to: int = -1
    """Documents up to this version may be hidden by somebody else's; -1 where none is."""
    is_overtaken: bool = False
    """Whether the partition's own record must be written once more."""

    def wrote(self, acknowledged: Sequence[Acknowledged]) -> None:
        """Note what was written; a batch is expected to begin where the one before has ended."""
        for batch in acknowledged:
            if batch.offset != self.end:
                self.suspect = self.end if self.suspect is None else self.suspect
            self.end = max(self.end, batch.offset) + batch.records


class Zombies:
    """
    Looks after the changelogs of one worker.

    Args:
        settings: Whose changelogs.
        tails: Returns what is known of them, by partition.
        clock: Seconds.
    """

    def __init__(
        self, settings: Settings, tails: Callable[[], dict[int, Tail]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._tails = tails
        self._clock = clock
        self._looked = clock()

    async def look(self, consumer: Any, held: dict[int, Partition], forget: Callable[[int, set[bytes]], None]) -> None:
        """
        Find what zombies wrote, from time to time, and mark those rows as changed; while nothing is being written.

        Args:
            consumer: Asked for the ends of the changelogs.
            held: The partitions, by number; they may change meanwhile.
            forget: Takes the ids of forgotten users that were written again.

        Raises:
            ContractError: A record cannot be read.
        """
        if self._clock() - self._looked < LOOK_S:
            return
        self._looked = self._clock()
        parts, tails = dict(held), self._tails()
        changelogs = {number: TP(*changelog_of(self._settings, number)) for number in parts}
        ends: dict[TP, int] = await consumer.ends(changelogs.values())
        for number, part in parts.items():
            if held.get(number) is not part:
                continue
            tail = tails[number]
            # The embedded broker answers where its last batch begins, and 1. That is enough: what is before a batch of
            # ours shows in its acknowledgement.
            if ends.get(changelogs[number], 0) > tail.end and tail.suspect is None:
                tail.suspect = tail.end
            if tail.suspect is None:
                continue
            read = await self._read(part, tail.suspect)
            if read is None:
                return
            if held.get(number) is part:
                found, tail.end = read
                tail.suspect = None
                self._write_over(part, tail, found)
                forget(number, found.forgotten)

    async def _read(self, part: Partition, start: int) -> tuple[Overtaken, int] | None:
        """Read the changelog to its end; None when the broker does not let us, and it is tried again later."""
        found, changelog = Overtaken(part), changelog_of(self._settings, part.number)
        try:
            async with asyncio.timeout(READ_S), LogReader(self._settings) as reader:
                async for _, run in reader.runs({changelog: start}):
                    found.add(run.keys, run.values)
                return found, await reader.position(changelog)
        except (BrokerUnavailableError, BrokerRefusesError, KafkaError, TimeoutError) as exc:
            _log.warning("the changelog cannot be read: it is tried again", partition=part.number, error=str(exc))
            return None

    def _write_over(self, part: Partition, tail: Tail, found: Overtaken) -> None:
        rows = found.rows()
        part.dirty[rows] = True
        if not found.records:
            return
        tail.hidden_to = max(tail.hidden_to, part.version_before + found.position)
        tail.is_overtaken = True
        _log.warning(
            "a worker that had lost this partition wrote rows of it: they are written again",
            partition=part.number,
            records=found.records,
            rows=len(rows),
        )

    def owe(self, part: Partition, emission: Emission) -> bool:
        """
        Owe documents once more that a zombie's may hide, when they are newer than those.

        Returns:
            Whether the partition's own record is to be written, however little has happened.
        """
        tail = self._tails()[part.number]
        if 0 <= tail.hidden_to < part.version:
            rows = np.flatnonzero(part.index.is_named())
            # Written once more, too: who has the partition next must know that they are owed.
            part.owed[rows] = part.dirty[rows] = True
            emission.owe_all(part)
            tail.hidden_to = -1
        overtaken, tail.is_overtaken = tail.is_overtaken, False
        return overtaken
