"""The cursor: an agent's place in its source, kept across restarts."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agents.lane import Receipt
from agents.protocol import Batch, Position
from pipeline.errors import ConfigError


class CursorFile:
    """A position in a file, replaced whole: a crash leaves the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Position | None:
        """
        Return the position saved last, or None where there is none.

        Raises:
            ConfigError: The file holds something else.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as exc:
            raise ConfigError(f"cannot read the cursor {self._path}: {exc}; remove it to begin anew") from exc

    def save(self, position: Position) -> None:
        """
        Keep a position.

        Raises:
            ConfigError: The directory cannot be written to.
        """
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(msgspec.json.encode(position))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as exc:
            raise ConfigError(f"cannot write the cursor {self._path}: {exc}; set CLOUT_DATA_DIR") from exc


@dataclass(slots=True)
class _Open:
    receipt: Receipt
    events: int
    position: Position | None
    settled: Callable[[], None] | None


class Progress:
    """Which position may be saved: the last before which the broker has acknowledged everything."""

    def __init__(self) -> None:
        self._open: deque[_Open] = deque()
        self.settled = 0
        """Source events whose records are all acknowledged, in the order of the source."""
        self.batches = 0
        """Batches of which the same is true."""
        self.position: Position | None = None

    def add(self, receipt: Receipt, batch: Batch) -> None:
        """Note that a batch waits for `receipt`; the fate of each of its events is known by now."""
        events = batch.read - sum(batch.skipped.values())
        self._open.append(_Open(receipt, events, batch.position, batch.settled))

    def settle(self) -> bool:
        """Move on past what has been acknowledged, and tell who waits for it; True when the position changed."""
        before = self.position
        while self._open and self._open[0].receipt.acknowledged:
            done = self._open.popleft()
            self.settled += done.events
            self.batches += 1
            self.position = done.position or self.position
            if done.settled is not None:
                done.settled()
        return self.position != before
