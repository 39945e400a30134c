"""An interaction record: a file of `actor target unix-seconds RT|MT|RE` lines, as the Higgs data set has it."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.engagement import KINDS

DAY: Final = 86_400

_CODES: Final = {"RT": "share", "RE": "comment", "MT": "comment"}


@dataclass(frozen=True, slots=True)
class Record:
    """Columns of n engagements, in the order of their times."""

    actor: NDArray[np.int64]
    target: NDArray[np.int64]
    time: NDArray[np.int64]
    """Seconds."""
    kind: NDArray[np.int64]
    """Index into `KINDS`."""

    def __len__(self) -> int:
        """Return the number of engagements."""
        return len(self.time)

    def between(self, since: int, until: int) -> "Record":
        """Return what happened at `since` or later and before `until`, seconds."""
        first, end = np.searchsorted(self.time, [since, until])
        return self.take(slice(int(first), int(end)))

    def take(self, where: slice | NDArray[np.int64]) -> "Record":
        """Return some of the engagements."""
        return Record(self.actor[where], self.target[where], self.time[where], self.kind[where])


def read(path: Path) -> Record:
    """
    Read a file, plain or compressed by gzip.

    Every RE has a twin MT (same actor, target and second), which is dropped; a lone MT is a mention.
    Who interacts with themselves influences nobody: dropped.

    Raises:
        ValueError: A line is not `actor target unix-seconds RT|MT|RE`; names file and line.
    """
    lines = _unpack(path).decode("ascii", "replace").splitlines()
    rows = [_parse(path, number, line) for number, line in enumerate(lines, 1)]
    replies = {row[:3] for row in rows if row[3] == "RE"}
    kept = [row for row in rows if row[0] != row[1] and not (row[3] == "MT" and row[:3] in replies)]
    columns = np.array([(a, b, t, KINDS.index(_CODES[code])) for a, b, t, code in kept], np.int64).reshape(-1, 4)
    columns = columns[np.argsort(columns[:, 2], kind="stable")]
    return Record(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3])


def _unpack(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except EOFError:
        raise ValueError(f"{path}: cut off before the end of its gzip stream") from None


def _parse(path: Path, number: int, line: str) -> tuple[int, int, int, str]:
    try:
        actor, target, time, code = line.split()
        _CODES[code]
        return int(actor), int(target), int(time), code
    except (ValueError, KeyError):
        raise ValueError(f"{path}:{number}: expected `actor target unix-seconds RT|MT|RE`, found {line!r}") from None
