"""What a file format is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from agents.protocol import Batch, Item
from agents.span import ALWAYS, Span


class BadLineError(Exception):
    """A line is not what the format says."""

    def __init__(self, offset: int) -> None:
        """Name the line by its `offset` in the lines that were fed."""
        super().__init__(offset)
        self.offset = offset


class Format(Protocol):
    """
    Reads the lines of one file, fed in their order.

    Every line has one fate: it is published or skipped for a reason. A line whose fate depends on those after it is
    kept, and counted as read with the batch that decides it.
    """

    expected: str
    """What a line should be, in words."""

    def check(self, line: bytes) -> bool:
        """Tell whether the first line of a file is of this format."""

    def time(self, line: bytes) -> int | None:
        """Return the event time of a line, Unix ms, not moved; None where it has none."""

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """
        Read further lines.

        Raises:
            BadLineError: A line is wrong, and the format does not skip such lines.
        """

    def end(self) -> Batch:
        """Decide what was kept: the file has ended."""


class EventLines(ABC):
    """The part that formats share whose lines are read each by itself, and skipped where they are no event."""

    def __init__(self, span: Span = ALWAYS) -> None:
        """Move times, and leave out others, as `span` says."""
        self._span = span
        self._shift = span.shift

    @abstractmethod
    def time(self, line: bytes) -> int | None:
        """Return the time of an event, Unix ms, not moved; None if the line is none."""

    @abstractmethod
    def read(self, line: bytes) -> tuple[int, list[Item] | str] | None:
        """Return the time of an event, moved, and its records, or why there are none; None if the line is no event."""

    def check(self, line: bytes) -> bool:
        """Tell whether a line is an event."""
        return self.time(line) is not None

    def feed(self, lines: Sequence[bytes]) -> Batch:
        """Read events."""
        batch = Batch(read=len(lines))
        for line in lines:
            event = self.read(line)
            if event is None:
                batch.skip("malformed" if line.strip() else "blank")
                continue
            time, fate = event
            self._span.add(batch, time, fate)
        return batch

    def end(self) -> Batch:
        """Nothing is kept."""
        return Batch()
