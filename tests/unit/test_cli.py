"""The console script."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("faust", "litestar", "granian", "aiokafka", "numpy", "redis", "pydantic")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger finds all commands of the contract in one place."""
    cli.app(["--help"], result_action="return_value")
    shown = capsys.readouterr().out
    for command in (
        "up",
        "worker",
        "sink",
        "serve",
        "agent",
        "score",
        "explain",
        "moments",
        "top",
        "watch",
        "replay",
        "doctor",
    ):
        assert f" {command} " in shown


def test_help_imports_nothing_heavy() -> None:
    """`clout --help` is quick because it does without what the commands need."""
    script = (
        "import sys; from pipeline.cli import app; app(['--help'], result_action='return_value');"
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "HEAVY []" in shown.stdout


def test_every_command_exists() -> None:
    """Each name leads to a function or a group of commands, and its help can be shown."""
    for group in cli._COMMANDS.values():
        for name in group:
            assert cli.app[name]


def test_the_version_is_the_one_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """`clout --version` says what was installed."""
    cli.app(["--version"], result_action="return_value")
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out.strip() == wanted


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("score", "USERS"),
        ("explain", "--user"),
        ("moments", "--user"),
        ("link", "--account"),
        ("link n:a", "--person"),
        ("unlink", "--account"),
        ("export scores", "--file"),
        ("calibrate", "--name"),
        ("alerts ack", "--spike"),
        ("keys revoke", "--key-id"),
        ("agent replay", "--file"),
        ("agent mastodon", "--server"),
    ],
)
def test_a_command_says_what_is_missing(command: str, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to do is a mistake of who called, not a success: status 2, as with every other wrong option."""
    with pytest.raises(SystemExit) as end:
        cli.app(command.split())
    assert end.value.code == 2
    told = capsys.readouterr()
    assert f"parameter {missing} requires an argument" in told.out + told.err


def test_an_expected_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A PipelineError says what to do; a traceback would bury it."""

    def fail() -> None:
        raise ConfigError("port 8080 is taken: choose another one")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == "clout: port 8080 is taken: choose another one\n"


def test_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    """A value that cannot be is named together with its setting."""
    command = [sys.executable, "-m", "pipeline.cli", "doctor"]
    environment = {"PYTHONPATH": str(REPOSITORY), "CLOUT_PARTITIONS": "many"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("clout: CLOUT_PARTITIONS=many: ")
    assert ended.stderr.count("\n") == 1
