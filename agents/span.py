"""Which times of a file count, and how they are moved."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.plausible import AHEAD_MS, REASON
from agents.protocol import Batch, Deletion, Item

AFTER_UNTIL: Final = "after_until"
"""The reason of an event that `--until` leaves to somebody else."""
_OLDEST_MS: Final = 946_684_800_000
"""The year 2000: no network is older. A time before it is one that was missing, or made up."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of time, in Unix ms; the widest by default."""

    shift: int = 0
    """What is added to each time of the file."""
    first: int = 0
    """The first time that an event may have, moved."""
    last: int = sys.maxsize
    """The last that it may have."""
    until: int | None = None
    """Events at or after this moment, as the file has it, are left out."""

    @classmethod
    def of_file(cls, shift: int, until: int | None, now: int) -> "Span":
        """Return the span of a file that is read now: nothing happens tomorrow, nor did before there were networks."""
        return cls(shift, _OLDEST_MS, now + AHEAD_MS, until)

    def refuses(self, moved: int) -> str | None:
        """Return why an event of this time, moved, does not count; None where it does."""
        if not self.first <= moved <= self.last:
            return REASON
        return AFTER_UNTIL if self.until is not None and moved - self.shift >= self.until else None

    def add(self, batch: Batch, moved: int, fate: Sequence[Item] | str) -> None:
        """Add what an event of this time, moved, became to a batch that has counted it: its records, or why none."""
        refused = self.refuses(moved)
        if refused == AFTER_UNTIL:
            # What is taken back later may have happened before: of whom else it is, is not known here.
            taken_back = [item for item in fate if isinstance(item, Deletion)]
            batch.items.extend(taken_back)
            if not taken_back:
                batch.skip(refused)
        elif refused or isinstance(fate, str):
            batch.skip(refused or str(fate))
        else:
            batch.items.extend(fate)
            batch.time = max(moved, batch.time or 0)


ALWAYS: Final = Span()
"""All of time, not moved."""
