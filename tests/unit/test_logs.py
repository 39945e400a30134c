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

FAILS = """
import logging
from pipeline.errors import ContractError
from pipeline.logs import configure
from pipeline.settings import Settings
configure(Settings(log_format="{format}", log_level="{level}"))
for error in (ContractError("the row is cut off: restore it"), RuntimeError("a bug")):
    for part in ("app", "recovery"):
        try:
            raise error
        except Exception:
            logging.getLogger(part).exception("%s crashed", part)
"""


def logged(form: str, level: str = "info", script: str = SCRIPT) -> list[str]:
    """Return what a process of its own logs: the configuration is for all of a process."""
    script = script.format(format=form, level=level)
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


def test_an_expected_error_is_told_once_and_in_its_own_words() -> None:
    """Each part of the framework would tell it with a traceback; a bug still has one, each time."""
    lines = [json.loads(line) for line in logged("json", script=FAILS)]
    assert [line["event"] for line in lines] == ["the row is cut off: restore it", "app crashed", "recovery crashed"]
    assert ["exception" in line for line in lines] == [False, True, True]


def test_whoever_debugs_sees_where_an_expected_error_came_from() -> None:
    """With `CLOUT_LOG_LEVEL=debug` nothing is left out."""
    lines = [json.loads(line) for line in logged("json", "debug", FAILS)]
    assert all("exception" in line for line in lines)
