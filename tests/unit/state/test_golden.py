"""Changelogs that some version once wrote still load, and say the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.scoring.model import reference
from pipeline.state.codec import VERSION
from pipeline.state.sources import SOURCES
from tests.unit.state.golden.write import EXPECTED, FOLDER, pack, told, unpack
from tests.unit.state.log import changelog, restored

FILES = sorted(FOLDER.glob("v*/*.bin"))


def expected(path: Path) -> dict[str, Any]:
    """Return what was written down beside a file."""
    known: dict[str, dict[str, Any]] = msgspec.json.decode(path.with_name(EXPECTED).read_bytes())
    # Sources that were added later have been folded to nowhere.
    known[path.stem]["positions"] += [0] * (len(SOURCES) - len(known[path.stem]["positions"]))
    return known[path.stem]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_was_once_written_loads_and_says_the_same(path: Path) -> None:
    """Counts, engagers, evidence and, as long as the model is the same, every field of the documents."""
    known = expected(path)
    said = told(restored(list(unpack(path.read_bytes())), known["positions"]))
    if known["documents"][0]["model"] != reference().model:
        del known["documents"], said["documents"]
    assert said == known


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_was_once_written_can_be_written_again(path: Path) -> None:
    """A row that was read and is flushed says the same in today's version."""
    known = expected(path)
    part = restored(list(unpack(path.read_bytes())), known["positions"])
    again = told(restored(changelog(part), known["positions"]))
    if known["documents"][0]["model"] != reference().model:
        del known["documents"], again["documents"]
    assert again == known


def test_the_current_version_has_golden_files() -> None:
    """Whoever raises the version writes them: `python -m tests.unit.state.golden.write`."""
    assert [path for path in FILES if path.parent.name == f"v{VERSION}"]


def test_the_current_version_is_written_byte_for_byte_as_it_was() -> None:
    """A changed format without a new version would be read wrongly by programs that know the old one."""
    for path in FILES:
        if path.parent.name == f"v{VERSION}":
            records = list(unpack(path.read_bytes()))
            part = restored(records, expected(path)["positions"])
            assert pack(changelog(part, generation=3)) == pack(records)
