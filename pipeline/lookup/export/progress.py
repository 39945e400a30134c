"""How far a long run has come: a bar on a terminal, a line now and then otherwise; both on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_EVERY_S: Final = 10.0


class Show(Protocol):
    """Shows how far a run has come."""

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` users of `total` are through."""


@contextmanager
def progress(what: str) -> Iterator[Show]:
    """Show the progress of a run, with its rate and the time that is left, until the context ends."""
    began = time.monotonic()

    def rate(done: int) -> float:
        return done / max(time.monotonic() - began, 1e-3)

    if not sys.stderr.isatty():
        spoke = began

        def say(done: int, total: int) -> None:
            nonlocal spoke
            if time.monotonic() - spoke >= _EVERY_S:
                spoke = time.monotonic()
                left = max(0, total - done) / max(rate(done), 1e-3)
                sys.stderr.write(f"{what}: {done:,} of {total:,} users, {rate(done):,.0f}/s, {left:,.0f} s left\n")

        yield say
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} users, {task.fields[rate]:,.0f}/s, left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=0, rate=0.0)
        yield lambda done, total: bar.update(task, completed=done, total=max(done, total), rate=rate(done))
