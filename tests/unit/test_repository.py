"""What a stranger meets first: lock files, Makefile, README."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def locked(lock: str) -> dict[str, str]:
    """Return each package of a lock file with its text: version, marker and hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    return {name_of(entry): entry for entry in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_pins_everything_by_hash(lock: str) -> None:
    """Each package has one version and at least one hash."""
    for entry in locked(lock).values():
        assert re.match(r"\S+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_address(lock: str) -> None:
    """Where packages come from is for whoever installs them to decide."""
    assert not re.search(r"https?://|--index|--extra-index|--find-links|file:", (ROOT / lock).read_text())


def test_the_lock_files_hold_what_the_project_asks_for() -> None:
    """Whoever changes a dependency runs `make lock`."""
    run = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["embedded"]
    build = PROJECT["dependency-groups"]["build"]
    assert {name_of(requirement) for requirement in run + build} <= locked("requirements.lock").keys()
    dev = PROJECT["dependency-groups"]["dev"]
    assert {name_of(requirement) for requirement in dev} <= locked("requirements-dev.lock").keys()


def test_the_lock_files_agree() -> None:
    """What is tested is what runs."""
    run, dev = map(locked, LOCKS)
    assert {name: entry.split()[0] for name, entry in run.items()} == {name: dev[name].split()[0] for name in run}


def test_make_alone_tells_what_can_be_made() -> None:
    """The default target is help, and it names every target."""
    shown = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^\.PHONY: (\w+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets
    for target in targets:
        assert f"make {target} " in shown


def test_make_says_so_when_there_is_no_python() -> None:
    """Without Python 3.11 or newer the message says what is needed."""
    command = ["make", "-C", str(ROOT), "PYTHON=", "VENV=build/none", "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Python 3.11 or newer is needed" in ended.stderr


def test_the_readme_names_every_command() -> None:
    """The table of commands is complete."""
    readme = (ROOT / "README.md").read_text()
    for group in cli._COMMANDS.values():
        for name in group:
            assert f"| `clout {name}" in readme


def test_links_between_pages_lead_somewhere() -> None:
    """A page that another one names is there."""
    pages = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--", "*.md"], capture_output=True, text=True, check=True
    ).stdout.split()
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"
