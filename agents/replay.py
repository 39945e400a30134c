"""The replay agent: a file of events, at the speed they happened, faster, or as fast as can be."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from agents.cursor import CursorFile
from agents.formats import FORMATS, FormatName
from agents.formats.base import BadLineError, Format
from agents.formats.table import Table
from agents.lines import Lines, last_lines
from agents.pace import Pace
from agents.protocol import Batch, Position
from pipeline.clock import Clock, system_clock
from pipeline.errors import ConfigError, ContractError
from pipeline.settings import Settings

_CHUNK: Final = 8192
"""Lines at a time at full speed: some 30 ms of work."""
_TOGETHER: Final = 1024
"""Lines that a paced replay publishes together when they are due together."""
_LONGEST_SLEEP_S: Final = 1.0
"""A paced replay looks up so often in a long silence: time passes then too."""
_SHOWN: Final = 80
_LAST: Final = 1000
"""Lines searched for the latest time: files are in order, or nearly so."""


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What to replay, and how."""

    path: Path
    format: FormatName
    speed: float | None = None
    """Event time against wall-clock time; None is as fast as can be."""
    shift: bool = False
    """Move the times so that the file ends now."""
    limit: int | None = None
    """Lines to read, at most."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: field to column."""


def cursor_of(config: ReplayConfig, settings: Settings) -> CursorFile:
    """Return where the place in this file is kept."""
    digest = sha256(str(config.path.resolve()).encode()).hexdigest()[:12]
    return CursorFile(settings.data_dir / "cursors" / f"replay-{config.format}-{digest}.json")


class Replay:
    """Reads one file, from its start or from where an earlier replay of it had come."""

    name = "replay"
    live = False

    def __init__(self, config: ReplayConfig, *, clock: Clock = system_clock) -> None:
        """
        Open the file and check its first line.

        Args:
            config: What to replay.
            clock: The wall clock, Unix ms: where `--shift` moves the end to.

        Raises:
            ConfigError: The file cannot be read.
            ContractError: Its first line is not of the format.
        """
        self._config = config
        self._format = _opened(config, 0)
        self._size = config.path.stat().st_size
        self._clock = clock
        self._lines: Lines | None = None
        self._shift = 0
        self._decided = 0
        self._left = sys.maxsize if config.limit is None else config.limit
        self._ended = False

    def share(self) -> float | None:
        """Return how much of the file has been read."""
        return self._lines.share() if self._lines else 0.0

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Yield the events of the file, paced when the configuration says so.

        Raises:
            ConfigError: The file is not the one of `position`.
            ContractError: A line is not of the format, or the compressed file is damaged.
        """
        self._decided = _checked_start(position, self._config.path, self._size)
        self._shift = int(position["shift"]) if position else _shift(self._config, self._clock())
        self._format = _opened(self._config, self._shift)
        with Lines(self._config.path) as self._lines:
            for _ in self._lines.chunks(_CHUNK, self._decided):
                pass
            if self._config.speed is None:
                while (batch := self._next(self._lines, _CHUNK)) is not None:
                    yield batch
            else:
                async for batch in self._paced(self._lines, Pace(self._config.speed)):
                    yield batch

    async def _paced(self, lines: Lines, pace: Pace) -> AsyncGenerator[Batch]:
        due = Batch()
        while (batch := self._next(lines, 1)) is not None:
            if batch.time is not None and pace.delay(batch.time) > 0:
                if due.read:
                    yield due
                    due = Batch()
                while (delay := pace.delay(batch.time)) > 0:
                    await asyncio.sleep(min(delay, _LONGEST_SLEEP_S))
                    yield Batch(time=min(pace.reached(), batch.time))
            due.add(batch)
            if due.read >= _TOGETHER:
                yield due
                due = Batch()
        yield due

    def _next(self, source: Lines, count: int) -> Batch | None:
        """Return what the next lines decide; None at the end."""
        if self._ended:
            return None
        lines = source.take(min(count, self._left))
        self._left -= len(lines)
        try:
            batch = self._format.feed(lines) if lines else self._format.end()
        except BadLineError as exc:
            number = source.number - len(lines) + exc.offset + 1
            raise _bad_line(self._config.path, number, self._format.expected, lines[exc.offset]) from exc
        self._ended = not lines
        self._decided += batch.read
        batch.position = {"line": self._decided, "shift": self._shift, "size": self._size}
        return batch


def _checked_start(start: Position | None, path: Path, size: int) -> int:
    if start is None:
        return 0
    if start.get("size") != size:
        raise ConfigError(f"{path} has changed since its cursor was saved: replay it without --resume")
    return int(start["line"])


def _opened(config: ReplayConfig, shift: int) -> Format:
    """Return the format, which has seen the first line: a table's names its columns."""
    form = Table(shift, config.columns) if config.format == "csv" else FORMATS[config.format](shift)
    with Lines(config.path) as lines:
        first = lines.first()
    if not form.check(first):
        raise _bad_line(config.path, 1, form.expected, first)
    return form


def _bad_line(path: Path, number: int, expected: str, line: bytes) -> ContractError:
    found = line[:_SHOWN].decode(errors="replace").rstrip() or "nothing"
    return ContractError(f"{path}, line {number}: expected {expected}; found {found!r}")


def _shift(config: ReplayConfig, now: int) -> int:
    if not config.shift:
        return 0
    form = _opened(config, 0)
    times = [time for line in last_lines(config.path, _LAST, config.limit) if (time := form.time(line)) is not None]
    return now - max(times) if times else 0
