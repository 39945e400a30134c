"""The replay agent: a file of events, at the speed they happened, faster, or as fast as can be."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from agents.cursor import CursorFile
from agents.format_name import FormatName
from agents.formats import open_source
from agents.formats.source import Source
from agents.pace import Pace
from agents.protocol import Batch, Position
from agents.span import Span
from pipeline.clock import Clock, system_clock
from pipeline.errors import ConfigError
from pipeline.settings import Settings

_CHUNK: Final = 8192
"""Entries at a time at full speed: some 30 ms of work."""
_TOGETHER: Final = 1024
"""Entries that a paced replay publishes together when they are due together."""
_LONGEST_SLEEP_S: Final = 1.0
"""A paced replay looks up so often in a long silence: time passes then too."""


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
    """Entries to read, at most."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: field to column."""
    until: int | None = None
    """Leave out what happened at this moment or after it, Unix ms as the file has it."""


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
        Open the file and check its beginning.

        Args:
            config: What to replay.
            clock: The wall clock, Unix ms: where `--shift` moves the end to.

        Raises:
            ConfigError: The file cannot be read.
            ContractError: It is not of the format.
        """
        self._config = config
        self._source: Source = open_source(config.path, config.format, config.columns)
        self._clock = clock
        self._shift = 0
        self._decided = 0
        self._left = sys.maxsize if config.limit is None else config.limit
        self.reached: int | None = None
        """The latest event time so far, Unix ms."""
        self.is_ended = False
        """Whether the file was read to its end."""

    def share(self) -> float | None:
        """Return how much of the file has been read."""
        return self._source.share()

    async def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Yield the events of the file, paced when the configuration says so.

        Raises:
            ConfigError: The file is not the one of `position`.
            ContractError: A line is not of the format, or the file is damaged.
        """
        self._decided = self._checked_start(position)
        self._shift = int(position["shift"]) if position else self._new_shift()
        self.reached = int(position["time"]) if position and "time" in position else None
        self._source.start(Span.of_file(self._shift, self._config.until, self._clock()), self._decided)
        try:
            if self._config.speed is None:
                while (batch := self._next(_CHUNK)) is not None:
                    yield batch
            else:
                async for batch in self._paced(Pace(self._config.speed)):
                    yield batch
        finally:
            self._source.close()

    async def _paced(self, pace: Pace) -> AsyncGenerator[Batch]:
        due = Batch()
        while (batch := self._next(1)) is not None:
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

    def _next(self, count: int) -> Batch | None:
        """Return what the next entries decide; None at the end."""
        count = min(count, self._left)
        batch = self._source.read(count)
        if batch is None:
            self.is_ended = True
            return None
        if batch.time is not None:
            self.reached = max(batch.time, self.reached or 0)
        self._left -= count
        self._decided += batch.read
        batch.position = {"line": self._decided, "shift": self._shift, "size": self._source.size}
        if self.reached is not None:
            batch.position["time"] = self.reached
        return batch

    def _checked_start(self, start: Position | None) -> int:
        if start is None:
            return 0
        if start.get("size") != self._source.size:
            raise ConfigError(f"{self._config.path} has changed since its cursor was saved: replay it without --resume")
        return int(start["line"])

    def _new_shift(self) -> int:
        if not self._config.shift:
            return 0
        now = self._clock()
        latest = self._source.latest(Span.of_file(0, self._config.until, now), self._config.limit)
        return now - latest if latest is not None else 0
