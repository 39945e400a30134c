"""What the oracle begins with: a snapshot, in the log that it was taken from or in one that began from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiokafka import TopicPartition
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.log_reader import LogReader
from pipeline.settings import Settings
from pipeline.snapshot.blocks import Rows
from pipeline.snapshot.file import read_blocks
from pipeline.snapshot.outline import Outline
from pipeline.state.origin import ORIGIN_KEY, Origin, decode_origin, hold_ids
from pipeline.state.packed import Packed
from pipeline.state.partition import Partition
from pipeline.state.restore import Restore
from pipeline.state.sources import SOURCES
from pipeline.topics import CHANGELOG


@dataclass(frozen=True, slots=True)
class Beginning:
    """A snapshot that the topics began from, or that was taken from them."""

    path: Path
    outline: Outline
    origins: list[Origin] | None
    """Of each partition, in a log that began from the snapshot."""

    def put_into(self, part: Partition) -> None:
        """Give an empty partition what the snapshot has of it, and the offsets to go on from."""
        number = part.number
        head = self.outline.parts[number]
        positions = np.zeros(len(SOURCES), np.int64)
        if self.origins is None:
            positions[:] = [head.positions.get(name, 0) for name in SOURCES]
            part.version_before = head.version - int(positions.sum())
        else:
            part.version_before = self.origins[number].version
        restore = Restore(part)
        for block in read_blocks(self.path):
            if isinstance(block, Rows) and (not self.outline.same or block.partition == number):
                places = self.outline.numbers_of_rows(block)
                rows = [row for row, place in zip(block.rows, places, strict=True) if place == number]
                restore.add(*Packed.of_pairs(rows))
        restore.finish(positions)
        hold_ids(part, self.outline.ids[number], positions)
        part.as_of = max(part.as_of, head.as_of)
        part.owed[: len(part)] = False

    def positions(self, number: int) -> NDArray[np.int64]:
        """Return where the log goes on, by source."""
        if self.origins is not None:
            return np.zeros(len(SOURCES), np.int64)
        head = self.outline.parts[number]
        return np.array([head.positions.get(name, 0) for name in SOURCES], np.int64)


async def find_beginning(settings: Settings, named: Path | None, usual: Path) -> Beginning | None:
    """
    Find out what the topics began with.

    Args:
        settings: Whose topics.
        named: The snapshot that the user named.
        usual: Where to look for the one that the topics say they began from.

    Raises:
        ConfigError: It is another snapshot than the topics say, or of other topics.
    """
    origins = await _origins(settings)
    if not origins and named is None:
        return None
    path = named or usual
    outline = Outline.of(path, settings.partitions)
    head = outline.head
    if origins:
        if {origin.snapshot for origin in origins} != {head.id}:
            raise ConfigError(
                f"the topics of prefix {settings.topic_prefix!r} began from snapshot {origins[0].snapshot}, but {path} "
                f"is {head.id}: name the right file with --snapshot"
            )
        return Beginning(path, outline, origins)
    if (head.topic_prefix, head.partitions) != (settings.topic_prefix, settings.partitions):
        raise ConfigError(
            f"{path} was taken from {head.partitions} partitions of prefix {head.topic_prefix!r}, and the topics here, "
            f"{settings.partitions} partitions of prefix {settings.topic_prefix!r}, did not begin from it"
        )
    return Beginning(path, outline, None)


async def _origins(settings: Settings) -> list[Origin]:
    """Return the origin of each partition; nothing when the log began empty."""
    found: dict[int, Origin] = {}
    topic = settings.topic_prefix + CHANGELOG.name
    async with LogReader(settings) as reader:
        # It is the first record of all, and no other has its key: compaction leaves it where it is.
        for number in range(settings.partitions):
            record = await reader.first(TopicPartition(topic, number))
            if record is not None and record.key == ORIGIN_KEY:
                origin = decode_origin(record.key, record.value or b"")
                assert isinstance(origin, Origin)
                found[number] = origin
    return [found[number] for number in sorted(found)]
