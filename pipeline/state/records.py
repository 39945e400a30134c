"""Records as they come from the log, one fetch of one partition at a time."""

from dataclasses import dataclass

from schemas import Reason


@dataclass(frozen=True, slots=True)
class Records:
    """
    A run of records of one topic and partition, in columns of equal length.

    The run covers all offsets from `first` to `end`, of which compaction and
    control batches may have taken some.
    """

    first: int
    """The position that this run was fetched from."""
    end: int
    """The position after it."""
    offsets: list[int]
    timestamps: list[int]
    """Kafka timestamps, Unix ms."""
    keys: list[bytes | None]
    values: list[bytes | None]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets)

    def pick(self, places: list[int]) -> "Records":
        """Return the run with some of its records."""
        columns = ([column[i] for i in places] for column in (self.offsets, self.timestamps, self.keys, self.values))
        return Records(self.first, self.end, *columns)  # type: ignore[arg-type]

    def since(self, position: int) -> "Records":
        """Return the part at `position` and after it."""
        start = next((i for i, offset in enumerate(self.offsets) if offset >= position), len(self))
        return Records(
            first=position,
            end=self.end,
            offsets=self.offsets[start:],
            timestamps=self.timestamps[start:],
            keys=self.keys[start:],
            values=self.values[start:],
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be folded: a dead letter."""

    offset: int
    value: bytes | None
    reason: Reason
    detail: str
