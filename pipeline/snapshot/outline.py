"""What a snapshot says of its partitions, and which partition each row gets in a log that begins from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ContractError
from pipeline.partitioner import partitions_of
from pipeline.snapshot.blocks import Head, Ids, PartitionHead, Rows
from pipeline.snapshot.file import read_blocks
from pipeline.state.origin import OriginIds
from pipeline.state.partition import FATES


@dataclass(slots=True)
class Outline:
    """
    All of a snapshot but its rows and records, apportioned to the partitions of the log that begins from it.

    The ids are the bulk of it: 20 bytes each.
    """

    head: Head
    parts: list[PartitionHead]
    """Of each new partition."""
    ids: list[list[OriginIds]]

    @staticmethod
    def of(path: Path, partitions: int) -> "Outline":
        """
        Read a snapshot to its end: a damaged one must not be found half way.

        Raises:
            ConfigError: There is no such file.
            ContractError: It is damaged.
            UnsupportedVersionError: A newer program wrote it.
        """
        heads: list[Head] = []
        parts: list[PartitionHead] = []
        ids: list[Ids] = []
        for block in read_blocks(path):
            if isinstance(block, Head):
                heads.append(block)
            elif isinstance(block, PartitionHead):
                parts.append(block)
            elif isinstance(block, Ids):
                ids.append(block)
        if len(heads) != 1 or sorted(part.number for part in parts) != list(range(heads[0].partitions)):
            raise ContractError(f"the snapshot {path} does not name each of its partitions once")
        if heads[0].partitions == partitions:
            same = [[each.ids for each in ids if each.partition == number] for number in range(partitions)]
            return Outline(heads[0], sorted(parts, key=lambda part: part.number), same)
        return Outline(heads[0], _apportioned(parts, partitions), _by_user(ids, partitions))

    @property
    def same(self) -> bool:
        """Whether the log that begins has as many partitions as the old one."""
        return self.head.partitions == len(self.parts)

    def numbers_of_rows(self, block: Rows) -> list[int]:
        """Return the new partition of each row."""
        return self.numbers_of([user for user, _ in block.rows], block.partition)

    def numbers_of(self, keys: Sequence[bytes | None], number: int) -> list[int]:
        """Return the new partition of each key; `number` is the old one, which a record without a key keeps."""
        if self.same:
            return [number] * len(keys)
        partitions = len(self.parts)
        moved = partitions_of([key or b"" for key in keys], partitions).tolist()
        return [number % partitions if key is None else place for key, place in zip(keys, moved, strict=True)]


def _apportioned(parts: list[PartitionHead], partitions: int) -> list[PartitionHead]:
    """Every new partition may have rows of each old one: it goes on above all their versions and times."""
    version, as_of = max(part.version for part in parts), max(part.as_of for part in parts)
    fates = [dict.fromkeys(FATES, 0) for _ in range(partitions)]
    for part in parts:
        into = fates[part.number % partitions]
        for fate, count in part.fates.items():
            into[fate] = into.get(fate, 0) + count
    return [PartitionHead(number, version, as_of, {}, fates[number]) for number in range(partitions)]


def _by_user(ids: list[Ids], partitions: int) -> list[list[OriginIds]]:
    found: list[list[OriginIds]] = [[] for _ in range(partitions)]
    for each in ids:
        numbers = (each.ids.users() & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)
        for number in np.unique(numbers).tolist():
            found[number].append(each.ids.select(numbers == number))
    return found
