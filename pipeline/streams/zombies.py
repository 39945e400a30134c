"""
What a zombie wrote into our changelog is written over.

No broker refuses the flush of a worker that stood still between the fence and its flush. Its rows lose against ours
wherever both are read; but compaction keeps the last record of a key, whoever wrote it. Nobody but its owner writes to
a partition's changelog, so where it ends further than the owner has written, a zombie has.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from pipeline.changelog import changelog_of
from pipeline.errors import BrokerUnavailableError
from pipeline.log_reader import LogReader
from pipeline.logs import get_logger
from pipeline.settings import Settings
from pipeline.state.overtaken import Overtaken
from pipeline.state.partition import Partition
from pipeline.streams.emission import Emission

_log = get_logger(__name__)

LOOK_S: Final = 30.0
"""How often the end is asked for. Compaction leaves a day; but a document that says less waits for the next one."""


@dataclass(slots=True)
class Tail:
    """How far the owner of a partition knows its changelog; offsets."""

    end: int
    """After the last record that the owner read or wrote."""
    seen: int = field(init=False)
    """Of the records before it is known whose they are."""
    owed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows whose documents go out once more,"""
    version: int = 0
    """with a greater version than this one, the zombie's."""
    is_overtaken: bool = False
    """Whether the partition's own record must be written once more."""

    def __post_init__(self) -> None:
        self.seen = self.end


class Zombies:
    """
    Looks after the changelogs of one worker.

    Args:
        settings: Whose changelogs.
        tails: By partition; the table's.
        clock: Seconds.
    """

    def __init__(self, settings: Settings, tails: dict[int, Tail], clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._tails = tails
        self._clock = clock
        self._looked = clock()

    def wrote(self, number: int, records: int) -> None:
        """Note how many records of a partition were written and acknowledged."""
        self._tails[number].end += records

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
        parts = dict(held)
        ends = await consumer.ends([changelog_of(self._settings, number) for number in parts])
        for number, part in parts.items():
            end = ends.get(changelog_of(self._settings, number), 0)
            if held.get(number) is not part:
                continue
            tail = self._tails[number]
            # The embedded broker answers where its last batch begins, and 1: less than it has acknowledged.
            if end > tail.end:
                read = await self._read(part, tail.seen)
                if read is None or held.get(number) is not part:
                    continue
                found, tail.end = read
                if found.records:
                    self._write_over(part, tail, found)
                    forget(number, found.forgotten)
            tail.seen = tail.end

    async def _read(self, part: Partition, start: int) -> tuple[Overtaken, int] | None:
        """Read the changelog to its end; None when the broker does not let us, and it is tried again later."""
        found, changelog = Overtaken(part), changelog_of(self._settings, part.number)
        try:
            async with LogReader(self._settings) as reader:
                async for _, run in reader.runs({changelog: start}):
                    found.add(run.keys, run.values)
                return found, await reader.position(changelog)
        except (BrokerUnavailableError, KafkaError):
            return None

    def _write_over(self, part: Partition, tail: Tail, found: Overtaken) -> None:
        rows = found.rows()
        part.dirty[rows] = True
        tail.owed = np.union1d(tail.owed, rows)
        tail.version = max(tail.version, part.version_before + found.position)
        tail.is_overtaken = True
        _log.warning(
            "a worker that had lost this partition wrote rows of it: they are written again",
            partition=part.number,
            records=found.records,
            rows=len(rows),
        )

    def owe(self, part: Partition, emission: Emission) -> bool:
        """
        Owe the documents that a zombie's may hide, as soon as they are newer than these.

        Returns:
            Whether the partition's own record is to be written, however little has happened.
        """
        tail = self._tails[part.number]
        if len(tail.owed) and part.version > tail.version:
            part.owed[tail.owed] = True
            emission.owe_all(part)
            tail.owed = tail.owed[:0]
        overtaken, tail.is_overtaken = tail.is_overtaken, False
        return overtaken
