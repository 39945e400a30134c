"""
Ports for the servers that tests start.

A port that the kernel picks may be gone before its server has started: another test process may be given the same one,
and any connection on this machine may begin at it. Those handed out here lie below the range from which kernels take
the ports of connections, none is handed out twice, and whoever was given one holds a lock on it, so that several runs
on one machine do not meet.
"""

import fcntl
import itertools
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from pipeline.local.ports import LOOPBACK

_FIRST: Final = 12_000
_SHARE: Final = 1_250
_SHARES: Final = 16
"""12,000 - 31,999; connections begin at 32,768 on Linux and higher elsewhere."""

_process: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
_offsets: Final = itertools.count(os.getpid() * 37 % _SHARE)
_locks: Final = (Path(tempfile.gettempdir()) / "clout-test-ports").open("ab")
"""A byte for each port; the kernel gives the locks of a process back when it ends."""


def free_port() -> int:
    """
    Return a port that nobody listens on, and that no other test on this machine is given.

    Raises:
        RuntimeError: All ports of this process are in use.
    """
    for offset in itertools.islice(_offsets, _SHARE):
        port = _FIRST + _process * _SHARE + offset % _SHARE
        if not _claim(port):
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"all {_SHARE:,} ports of this test process are in use")


def _claim(port: int) -> bool:
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True
