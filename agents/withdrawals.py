"""Deletions at a source become undos of what was published."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.memory import Event, Memory
from agents.protocol import Deletion, Item, Record
from pipeline.topics import DAY_MS
from schemas import Engagement, Post, Profile

UNKNOWN: Final = "undo_unknown"
"""The reason of a deletion whose record is not known: nothing can be withdrawn."""
EXPIRED: Final = "undo_expired"
"""The reason of a deletion of something so old that it counts nowhere any more."""
_LONGEST_WINDOW_MS: Final = 90 * DAY_MS


@dataclass(slots=True)
class Resolved:
    """What a batch publishes in the end."""

    records: list[Record] = field(default_factory=list)
    undone: int = 0
    """Deletions and undos that withdrew something."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Deletions that withdrew nothing, by reason."""


def resolve(items: Iterable[Item], memory: Memory, now: int) -> Resolved:
    """
    Replace each deletion by the undos it stands for, and remember all else.

    Args:
        items: What the source says, in its order.
        memory: What was published before.
        now: The time that the source has reached, Unix ms.
    """
    out = Resolved()
    for item in items:
        if isinstance(item, Deletion):
            undos = [undo for record_id in item.ids if (undo := _undo(record_id, memory)) is not None]
            out.records.extend(undos)
            out.undone += bool(undos)
            if not undos:
                expired = item.time is not None and now - item.time > _LONGEST_WINDOW_MS
                out.skipped[EXPIRED if expired else UNKNOWN] += 1
        elif isinstance(item, Engagement | Post):
            out.records.append(_remembered(item, memory, out))
        elif isinstance(item, Profile):
            out.records.append(memory.complete(item))
        else:
            out.records.append(item)
    memory.end_batch()
    return out


def _remembered(record: Event, memory: Memory, out: Resolved) -> Record:
    if not record.undo:
        return memory.remember(record)
    out.undone += 1
    # The source names the whole action, so it can be withdrawn even when its stamps are not known.
    return _undo(record.id, memory) or record


def _undo(record_id: str, memory: Memory) -> Event | None:
    record = memory.take(record_id)
    return None if record is None else msgspec.structs.replace(record, undo=True)
