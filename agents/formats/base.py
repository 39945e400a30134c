"""What a file format is."""

from collections.abc import Sequence
from typing import Protocol

from agents.protocol import Batch


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
