"""The numbers of a run, and the line that says that they add up."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What became of the events of a source: read = published + skipped + unacknowledged."""

    read: int = 0
    """Events taken from the source."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Events that became no record, by reason."""
    undone: int = 0
    """Deletions that withdrew something; they are among the published."""
    unacknowledged: int = 0
    """Events whose records the broker had not acknowledged when the run ended."""
    records: Counter[str] = field(default_factory=Counter)
    """Records acknowledged, by topic; one event may become two records, or, a tick, none be behind it."""

    @property
    def published(self) -> int:
        """Events all of whose records were acknowledged."""
        return self.read - self.skipped.total() - self.unacknowledged

    def line(self) -> str:
        """Return the numbers in one line that adds up."""
        parts = [f"read {self.read} = published {self.published}", f"skipped {self.skipped.total()}"]
        if self.unacknowledged:
            parts.append(f"unacknowledged {self.unacknowledged}")
        skipped = f" | skipped: {_listed(self.skipped)}" if self.skipped else ""
        undone = f" | undone {self.undone}" if self.undone else ""
        return f"{' + '.join(parts)}{skipped}{undone} | acknowledged: {_listed(self.records) or 'nothing'}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
