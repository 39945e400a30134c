"""Settings for tests."""

import itertools
import os
from pathlib import Path
from typing import Any

from pipeline.settings import Settings
from tests.support.ports import free_port

_numbers = itertools.count(1)


def make_settings(broker_url: str, redis_url: str, directory: Path, **changes: Any) -> Settings:
    """Return settings with a topic prefix that no other test has."""
    values: dict[str, Any] = {
        "broker": broker_url,
        "redis": redis_url,
        "data_dir": directory / "data",
        "topic_prefix": f"t{os.getpid()}-{next(_numbers)}.",
        "partitions": 4,
        "agent_port": free_port(),
        "idempotence": False,  # the embedded broker has none
        "session_timeout_s": 6,
        "log_format": "json",
        **changes,
    }
    return Settings(_env_file=None, **values)
