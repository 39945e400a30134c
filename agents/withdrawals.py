"""Deletions at a source become undos of what was published."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.memory import Memory
from agents.protocol import Deletion, Item, Record
from schemas import Engagement, Post

UNKNOWN: Final = "undo_unknown"
"""The reason of a deletion whose record is not known: nothing can be withdrawn."""


@dataclass(slots=True)
class Resolved:
    """What a batch publishes in the end."""

    records: list[Record] = field(default_factory=list)
    undone: int = 0
    """Deletions and undos that withdrew something."""
    unknown: int = 0
    """Deletions that named nothing known."""


def resolve(items: Iterable[Item], memory: Memory) -> Resolved:
    """Replace each deletion by the undos it stands for, and remember all else."""
    out = Resolved()
    for item in items:
        if isinstance(item, Deletion):
            undos = [undo for record_id in item.ids if (undo := _undo(record_id, memory)) is not None]
            out.records.extend(undos)
            out.undone += bool(undos)
            out.unknown += not undos
        elif isinstance(item, Engagement | Post):
            out.records.append(_remembered(item, memory, out))
        else:
            out.records.append(item)
    return out


def _remembered(record: Engagement | Post, memory: Memory, out: Resolved) -> Record:
    if not record.undo:
        memory.remember(record)
        return record
    out.undone += 1
    # The source names the whole action, so it can be withdrawn even when its stamps are not known.
    return _undo(record.id, memory) or record


def _undo(record_id: str, memory: Memory) -> Engagement | Post | None:
    record = memory.take(record_id)
    return None if record is None else msgspec.structs.replace(record, undo=True)
