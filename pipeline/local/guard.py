"""
Ends the children of a supervisor that can no longer do it itself.

A supervisor that is killed with SIGKILL cannot stop its children.
So it starts this guard beside them and tells it, over a pipe, which process groups it owns:
`+pgid` when one begins, `-pgid` when it is gone.
When the pipe closes, whatever is left is ended: first asked, then made.

Only the standard library is imported: the guard must start before, and outlive, everything else.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import BinaryIO, Final

GRACE_S: Final = 5.0
"""Time to stop by itself; within the 10 s that a stop may take."""


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.local.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # A session of its own: Ctrl-C reaches the terminal's foreground group, which the guard must not be in.
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """End this process group if the supervisor disappears."""
        self._write(f"+{group}\n")

    def release(self, group: int) -> None:
        """The process group is gone; its number may be used again by others."""
        self._write(f"-{group}\n")

    def close(self) -> None:
        """Let the guard go: it ends what is still being watched, then itself."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def end_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to a process group; tell whether there was one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers a group of zombies with the latter
        return False
    return True


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _read(pipe: BinaryIO) -> set[int]:
    """Follow the pipe to its end and return the groups that are left."""
    groups: set[int] = set()
    for line in pipe:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def _main() -> None:
    # Whoever ends the supervisor politely ends the children through it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = _read(sys.stdin.buffer)
    for group in groups:
        end_group(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while any(map(_is_alive, groups)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        end_group(group, signal.SIGKILL)


if __name__ == "__main__":
    _main()
