"""What the supervisor shows: lines of all services in one terminal, and below them the leaderboard."""

import re
import threading
from collections import deque
from typing import Final, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.local.child import Child

_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""What a service tells a terminal, such as to show the cursor: the terminal is not its own."""
_COLOURS: Final = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan")
_NAME_WIDTH: Final = 6
"""The longest name of a service: `broker`, `worker`, `valkey`."""
_KEPT_LINES: Final = 40
"""The last lines of a service, shown when it cannot be kept alive: a traceback and a framework's farewell after it."""

_READ_S: Final = 1.0
"""What an ended service has written is read within this time."""


class Output:
    """The terminal, shared by all services."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._live: Live | None = None
        self._colours: dict[str, str] = {}
        self._last: dict[str, deque[str]] = {}
        self._readers: dict[str, threading.Thread] = {}

    @property
    def is_terminal(self) -> bool:
        """Tell whether a person watches."""
        return self._console.is_terminal

    def say(self, message: str) -> None:
        """Show a line of the supervisor itself."""
        self._line("clout", message, "bold")

    def follow(self, child: Child) -> None:
        """Show all that a child writes, until it ends."""
        reader = threading.Thread(target=self._follow, args=[child], name=f"output of {child.name}", daemon=True)
        self._readers[child.name] = reader
        reader.start()

    def last_lines(self, name: str) -> list[str]:
        """Return the newest lines of a service that has ended."""
        if reader := self._readers.get(name):
            reader.join(_READ_S)
        return list(self._last.get(name, ()))

    def show(self, board: RenderableType) -> None:
        """Show the leaderboard: in its place on a terminal, as a block of lines elsewhere."""
        if not self.is_terminal:
            self._console.print(board)
        elif self._live:
            self._live.update(board)
        else:
            self._live = Live(board, console=self._console, refresh_per_second=4)
            self._live.start()

    def close(self) -> None:
        """Leave the last leaderboard where it is."""
        if self._live:
            self._live.stop()
            self._live = None

    def _follow(self, child: Child) -> None:
        kept = self._last.setdefault(child.name, deque(maxlen=_KEPT_LINES))
        colour = self._colours.setdefault(child.name, _COLOURS[len(self._colours) % len(_COLOURS)])
        for written in child.lines():
            line = _ESCAPES.sub("", written)
            kept.append(line)
            self._line(child.name, line, colour)

    def _line(self, name: str, line: str, style: str) -> None:
        # Text, not markup: a log line may hold square brackets.
        self._console.print(Text.assemble((f"{name:>{_NAME_WIDTH}} | ", style), line), soft_wrap=True)
