"""What a replay reads: a file of lines, of rows, or a folder of documents; entry after entry."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from agents.formats.base import BadLineError, Format
from agents.lines import Lines, last_lines
from agents.protocol import Batch
from agents.span import ALWAYS, Span
from pipeline.errors import ContractError

_CHUNK: Final = 8192
"""Lines passed over at a time."""
_SHOWN: Final = 80
_LAST: Final = 1000
"""Lines searched for the latest time: files are in order, or nearly so."""


class Source(Protocol):
    """
    Entries in their order, each with one fate.

    Making one checks what can be checked without reading it whole, and raises `ConfigError` where it cannot be read,
    `ContractError` where it is of another format.
    """

    size: int
    """Bytes: what has another size is not the same any more."""

    def latest(self, span: Span, limit: int | None) -> int | None:
        """Return the latest time within a span that does not move, of the first `limit` entries; Unix ms."""

    def start(self, span: Span, skip: int) -> None:
        """Begin, or begin anew, behind the first `skip` entries."""

    def read(self, count: int) -> Batch | None:
        """
        Return what the next entries decide, `count` of them at most; None at the end.

        Raises:
            ContractError: An entry is wrong, and the format does not skip such entries; or the file is damaged.
        """

    def share(self) -> float:
        """Return how much has been read, 0 to 1."""

    def close(self) -> None:
        """Close what is open."""


class LineSource:
    """A file of lines, compressed or not."""

    def __init__(self, path: Path, make: Callable[[Span], Format]) -> None:
        """
        Check the first line.

        Args:
            path: The file.
            make: Makes the format.
        """
        self._path = path
        self._make = make
        self._format = self._opened(ALWAYS)
        self._lines: Lines | None = None
        self._is_ended = False
        self.size = path.stat().st_size

    def latest(self, span: Span, limit: int | None) -> int | None:
        """Look at the last thousand lines."""
        found = (self._format.time(line) for line in last_lines(self._path, _LAST, limit))
        return max((time for time in found if time is not None and span.refuses(time) is None), default=None)

    def start(self, span: Span, skip: int) -> None:
        """Open the file, and pass over lines."""
        self.close()
        self._is_ended = False
        self._format = self._opened(span)
        self._lines = Lines(self._path)
        for _ in self._lines.chunks(_CHUNK, skip):
            pass

    def read(self, count: int) -> Batch | None:
        """Read lines; at the end decide what was kept."""
        assert self._lines is not None
        if self._is_ended:
            return None
        lines = self._lines.take(count)
        self._is_ended = not lines
        try:
            return self._format.feed(lines) if lines else self._format.end()
        except BadLineError as exc:
            number = self._lines.number - len(lines) + exc.offset + 1
            raise self._bad_line(number, self._format.expected, lines[exc.offset]) from exc

    def share(self) -> float:
        """Return how much of the file, as it lies on the disk, has been read."""
        return self._lines.share() if self._lines else 0.0

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()

    def _opened(self, span: Span) -> Format:
        """Return the format, which has seen the first line: a table's names its columns."""
        form = self._make(span)
        with Lines(self._path) as lines:
            first = lines.first()
        if not form.check(first):
            raise self._bad_line(1, form.expected, first)
        return form

    def _bad_line(self, number: int, expected: str, line: bytes) -> ContractError:
        found = line[:_SHOWN].decode(errors="replace").rstrip() or "nothing"
        return ContractError(f"{self._path}, line {number}: expected {expected}; found {found!r}")
