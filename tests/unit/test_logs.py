"""Logs: one JSON object a line for machines, readable lines for people."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import logging
from pipeline.logs import configure, get_logger
from pipeline.settings import Settings
configure(Settings(log_format="{format}", log_level="{level}"))
get_logger("clout.test").info("folded", rows=3)
logging.getLogger("library").warning("lost %s", "it", extra={{"partition": 7}})
"""


def logged(form: str, level: str = "info") -> list[str]:
    """Return what a process of its own logs: the configuration is for all of a process."""
    script = SCRIPT.format(format=form, level=level)
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_a_log_that_is_no_terminal_is_json(form: str) -> None:
    """Ours and those of libraries, with the same fields."""
    ours, library = map(json.loads, logged(form))
    assert (ours["event"], ours["level"], ours["logger"], ours["rows"]) == ("folded", "info", "clout.test", 3)
    assert (library["event"], library["level"], library["partition"]) == ("lost it", "warning", 7)


def test_a_person_gets_lines() -> None:
    """Event first, then its values."""
    ours, _ = logged("console")
    assert "folded" in ours
    assert "rows=3" in ours


def test_the_level_silences_what_is_below() -> None:
    """At `error`, warnings are not shown."""
    assert logged("json", "error") == []
