"""Ports of this machine."""

import socket
from typing import Final

from pipeline.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def reachable(host: str) -> str:
    """Return where a server that listens on `host`, maybe on every address, can be asked."""
    return LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 - only compared


def is_listening(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether someone accepts connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def require_free(port: int, user: str, remedy: str) -> None:
    """
    Check that a port can be taken.

    Args:
        port: The port.
        user: Who needs it.
        remedy: What to do when it is taken, beside stopping who has it.

    Raises:
        ConfigError: It is in use.
    """
    with socket.socket() as probe:
        # As servers do: a connection that is only waiting to be forgotten does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as exc:
            raise ConfigError(
                f"port {port}, which {user} needs, is taken: stop the program that listens there, or {remedy}"
            ) from exc
