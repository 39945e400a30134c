"""What a run shows while it goes on: a bar on a terminal, a line in the log now and then otherwise."""

import sys
import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.logs import get_logger

_LOG_EVERY_S: Final = 10.0

log = get_logger(__name__)


class Display(Protocol):
    """Shows how far a run has come."""

    def show(self, events: int, share: float | None) -> None:
        """Show that `events` were read so far and, where known, which share of the source (0 to 1)."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """End, and leave the terminal as it was."""


def display(name: str) -> Display:
    """Return the display that suits standard error."""
    return _Bar(name) if sys.stderr.isatty() else _Lines(name)


class _Rate:
    """Events per second since the last look."""

    def __init__(self) -> None:
        self._at = self._start = time.monotonic()
        self._events = 0

    def take(self, events: int) -> float:
        now = time.monotonic()
        rate = (events - self._events) / max(now - self._at, 1e-3)
        self._at, self._events = now, events
        return rate

    def left(self, share: float) -> float:
        return (time.monotonic() - self._start) * (1 - share) / max(share, 1e-6)


class _Bar:
    def __init__(self, name: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[events]:,} events, {task.fields[rate]:,.0f}/s, left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(name, total=None, events=0, rate=0.0)
        self._rate = _Rate()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, events: int, share: float | None) -> None:
        total = None if share is None else 1.0
        self._progress.update(
            self._task, total=total, completed=share or 0.0, events=events, rate=self._rate.take(events)
        )


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._rate = _Rate()
        self._next = time.monotonic() + _LOG_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        return

    def show(self, events: int, share: float | None) -> None:
        if time.monotonic() < self._next:
            return
        self._next += _LOG_EVERY_S
        ahead = {} if share is None else {"share": round(share, 3), "left_s": round(self._rate.left(share))}
        log.info("progress", agent=self._name, events=events, rate=round(self._rate.take(events)), **ahead)
