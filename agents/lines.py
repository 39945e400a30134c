"""Lines of a file, compressed or not."""

import gzip
import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final, Self, cast

from pipeline.errors import ConfigError, ContractError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LONGEST: Final = 1 << 20
"""No format has longer lines: what is behind it is passed over, and the rest is as malformed as the whole would be."""


class Lines:
    """A file that is read line by line, once, from its first line."""

    def __init__(self, path: Path) -> None:
        """
        Open `path`; whether it is gzip is read from its first bytes.

        Raises:
            ConfigError: There is no such file, or it cannot be read.
        """
        self.path = path
        try:
            self.size = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as exc:
            raise ConfigError(f"cannot read {path}: {exc.strerror}") from exc
        packed = self._raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        self._raw.seek(0)
        self._file: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw)) if packed else self._raw
        self.number = 0
        """Lines read."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    def share(self) -> float:
        """Return how much of the file has been read, 0 to 1."""
        return 1.0 if self._raw.closed or not self.size else min(1.0, self._raw.tell() / self.size)

    def first(self) -> bytes:
        """
        Return the beginning of the first line; empty where the file is. Nothing else may have been read.

        Raises:
            ContractError: The compressed file is damaged.
        """
        try:
            return self._file.readline(_LONGEST)
        except (OSError, EOFError) as exc:
            raise ContractError(f"{self.path}, line 1: the file is damaged: {exc}") from exc

    def take(self, count: int) -> list[bytes]:
        """
        Return the next lines, `count` at most; none at the end.

        Raises:
            ContractError: The compressed file is damaged.
        """
        try:
            lines = list(islice(iter(self._line, b""), count))
        except (OSError, EOFError) as exc:
            raise ContractError(f"{self.path}, after line {self.number}: the file is damaged: {exc}") from exc
        self.number += len(lines)
        return lines

    def _line(self) -> bytes:
        line = self._file.readline(_LONGEST)
        if len(line) == _LONGEST:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = self._file.readline(_LONGEST)
        return line

    def chunks(self, size: int, limit: int | None) -> Iterator[list[bytes]]:
        """Yield lists of up to `size` lines, `limit` lines in all."""
        left = sys.maxsize if limit is None else limit
        while lines := self.take(min(size, left)):
            left -= len(lines)
            yield lines


def last_lines(path: Path, count: int, limit: int | None) -> list[bytes]:
    """Return the last `count` of the first `limit` lines of a file."""
    last: deque[bytes] = deque(maxlen=count)
    with Lines(path) as lines:
        for chunk in lines.chunks(65_536, limit):
            last.extend(chunk)
    return list(last)
