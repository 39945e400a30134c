"""The cursor: an agent's place in its source, kept across restarts."""

import os
from collections import deque
from pathlib import Path

import msgspec

from agents.lane import Receipt
from agents.protocol import Position
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


class Progress:
    """Which position may be saved: the last before which the broker has acknowledged everything."""

    def __init__(self) -> None:
        self._open: deque[tuple[Receipt, int, Position | None]] = deque()
        self.settled = 0
        """Source events whose records are all acknowledged, in the order of the source."""
        self.position: Position | None = None

    def add(self, receipt: Receipt, events: int, position: Position | None) -> None:
        """Note that a batch of `events` source events ends at `position` and waits for `receipt`."""
        self._open.append((receipt, events, position))

    def settle(self) -> bool:
        """Move on past what has been acknowledged; True when the position changed."""
        before = self.position
        while self._open and self._open[0][0].acknowledged:
            _, events, position = self._open.popleft()
            self.settled += events
            self.position = position or self.position
        return self.position != before
