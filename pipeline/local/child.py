"""A child process in a process group of its own, so that it and all it starts can be ended by number."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from pipeline.local.guard import Guard, end_group

STOP_S: Final = 8.0
"""How long a child may take to stop before it is killed: two seconds less than the promise of 10 s."""


class Child:
    """One process: started at once, stopped by `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        guard: Guard,
        *,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | int = subprocess.PIPE,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self._guard = guard
        self._process = subprocess.Popen(  # noqa: S603 - commands are built by this project
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=directory,
            start_new_session=True,
        )
        self._ended = False
        self.pid = self._process.pid
        guard.watch(self.pid)

    def status(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll()

    def lines(self) -> Iterator[str]:
        """Yield what it writes, line by line, to the end; only when its output is a pipe."""
        assert self._process.stdout
        with self._process.stdout as output:
            for line in output:
                yield line.decode(errors="replace").rstrip()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        # Once it has ended, its number may belong to others.
        if not self._ended:
            end_group(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        """Wait this long for the end; return the exit status, or None when it still runs."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself: a role ends its own helpers."""
        if self.status() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace_s: float = STOP_S) -> int:
        """Ask it to stop, make it stop after `grace_s`; return the exit status."""
        self.ask_to_stop()
        self.wait(grace_s)
        return self.end()

    def end(self) -> int:
        """Kill what is left of the group and return the exit status; again is harmless."""
        self.signal(signal.SIGKILL)
        status = self._process.wait()
        if not self._ended:
            self._ended = True
            self._guard.release(self.pid)
        return status


def stop_all(children: Sequence[Child], grace_s: float = STOP_S) -> dict[str, int]:
    """Stop children together, within one grace time; return the exit statuses by name."""
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + grace_s
    for child in children:
        child.wait(max(0.0, deadline - time.monotonic()))
    return {child.name: child.end() for child in children}


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds, in MB; 0 when it has ended."""
    found = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return int(found.stdout or 0) / 1000
