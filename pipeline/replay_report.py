"""What the oracle tells."""

from dataclasses import dataclass, field
from typing import Final

from pipeline.spike_check import SpikeReport
from pipeline.state.partition import FATES

_SHOWN: Final = 10


@dataclass(slots=True)
class Report:
    """What a comparison found."""

    records: int = 0
    users: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """In the log, but without a document."""
    earlier: int = 0
    """Documents older than the snapshot that the oracle began with: not compared."""
    behind: list[str] = field(default_factory=list)
    """Folded further than their newest document says."""
    newer: int = 0
    """Documents that Redis and the topic got while they were read: compared with each other, not with the log."""
    spikes: SpikeReport = field(default_factory=SpikeReport)
    fates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))

    @property
    def clean(self) -> bool:
        """Whether every user's document is what the log says."""
        return not (self.differences or self.missing or self.behind)

    def summary(self, *, check: bool) -> str:
        """Return it for the terminal; `check`: Redis was compared, too."""
        fates = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.fates.items())
        compared = f"users {self.users}, documents compared {self.compared}{' with the log and Redis' if check else ''}"
        outcome = (
            f"{len(self.differences)} differences, {len(self.missing)} without a document, {len(self.behind)} behind"
        )
        spikes = self.spikes
        lines = [
            f"records {self.records}: {fates}",
            f"{compared}: {outcome}",
            f"spikes told {spikes.told}: {spikes.found} in the log, too, {len(spikes.untold)} that were not told",
        ]
        if self.newer:
            lines.append(f"  {self.newer} documents came while the topics were read: the same in Redis and the topic")
        if self.earlier:
            lines.append(f"  {self.earlier} documents are older than the snapshot: not compared")
        lines += [f"  {text}" for text in self.differences[:_SHOWN]]
        lines += [f"  {user}: no document" for user in self.missing[:_SHOWN]]
        lines += [f"  {user}: behind" for user in self.behind[:_SHOWN]]
        lines += [f"  spike {text}: not in the log" for text in spikes.missing[:_SHOWN]]
        lines += [f"  spike {text}: not told" for text in spikes.untold[:_SHOWN]]
        return "\n".join(lines)
