"""Apache Kafka for tests: a machine without Maven leaves its tests out, but not where every change is checked."""

from pathlib import Path

import pytest

from pipeline.local.guard import Guard
from tests.support import kafka


@pytest.fixture
def without_maven(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is found but Java's."""
    monkeypatch.setattr(kafka.shutil, "which", lambda command: None if command == "mvn" else f"/usr/bin/{command}")


@pytest.mark.usefixtures("without_maven")
def test_without_maven_a_test_is_skipped_with_the_reason(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is missing."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="need mvn, not found on this machine"):
        kafka.start(guard, tmp_path)


@pytest.mark.usefixtures("without_maven")
def test_without_maven_a_test_fails_where_every_change_is_checked(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not run must not look like what passed."""
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="need mvn, not found on this machine"):
        kafka.start(guard, tmp_path)


def test_the_checks_of_every_change_leave_nothing_out() -> None:
    """They say where they run."""
    script = (Path(__file__).parents[3] / ".ci" / "run").read_text()
    assert script.index("export CI=1\n") < script.index("make test")
