"""The ports that tests are given: none twice, on the whole machine."""

import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]


def test_a_port_is_given_to_one_run_alone() -> None:
    """Another process cannot have it until this one ends, though nobody listens there yet."""
    port = free_port()
    code = f"from tests.support.ports import _claim; print(_claim({port}), _claim({port} + 40_000))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["False", "True"]


def test_no_port_is_given_twice() -> None:
    """Not to this process either."""
    assert len({free_port() for _ in range(50)}) == 50
