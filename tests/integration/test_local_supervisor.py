"""The supervisor, with services of a few lines."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import FatalError
from pipeline.local.output import Output
from pipeline.local.services import Service
from pipeline.local.supervisor import Supervisor
from tests.support.cluster import is_alive
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def shown() -> io.StringIO:
    """All that was shown."""
    return io.StringIO()


@pytest.fixture
def supervisor(shown: io.StringIO) -> Iterator[Supervisor]:
    """A supervisor whose services end with the test."""
    supervisor = Supervisor(Output(shown))
    yield supervisor
    supervisor.stop()


def service(name: str, script: str, is_ready: Callable[[], bool] = lambda: True, **options: bool | float) -> Service:
    """Return a service that runs a script."""
    return Service(name, [sys.executable, "-u", "-c", script], is_ready, **options)  # type: ignore[arg-type]


def writes_pid(path: Path, then: str) -> str:
    """Return a script that appends its pid to a file before it goes on."""
    return f"import os, time, signal; open({str(path)!r}, 'a').write(f'{{os.getpid()}}\\n'); {then}"


def pids(path: Path) -> list[int]:
    """Return the pids that were written."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_lines_carry_the_name_of_their_service(supervisor: Supervisor, shown: io.StringIO) -> None:
    """A line of a service stands behind its name; square brackets stay as they are."""
    supervisor.start([service("worker", "print('[bold] hello'); import time; time.sleep(60)")])
    eventually(lambda: "worker | [bold] hello" in shown.getvalue(), 60, "the line is shown")


def test_a_service_that_dies_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    """After the death of a child there is a new one."""
    path = tmp_path / "pids"
    supervisor.start([service("sink", writes_pid(path, "time.sleep(60)"))])
    eventually(lambda: pids(path), 60, "the first has begun")
    first = supervisor._kept[0].child
    assert first
    first.end()

    def second_runs() -> bool:
        supervisor.keep()
        return len(pids(path)) == 2

    eventually(second_runs, 60, "a second one has begun")


def test_a_service_that_always_fails_ends_everything_with_its_last_lines(supervisor: Supervisor) -> None:
    """A role that cannot start is not started for ever: the error tells what it said."""
    with pytest.raises(FatalError, match=r"the serve ended 4 times in a row, now with status 3[\s\S]*no such setting"):
        supervisor.start([service("serve", "print('no such setting'); raise SystemExit(3)", lambda: False)])


def test_a_broker_that_dies_ends_everything(supervisor: Supervisor) -> None:
    """The embedded broker keeps its topics in memory: a new one would be empty."""
    with pytest.raises(FatalError, match="the broker ended with status 1, and all topics with it"):
        supervisor.start_servers([service("broker", "raise SystemExit(1)", lambda: False, keeps_everything=True)])


def test_a_service_that_never_gets_ready_is_an_error(supervisor: Supervisor) -> None:
    """The wait for readiness has an end."""
    with pytest.raises(FatalError, match="the worker was not ready after"):
        supervisor.start([service("worker", "import time; time.sleep(60)", lambda: False, ready_s=0.5)])


def test_a_stop_during_the_start_ends_the_wait(supervisor: Supervisor) -> None:
    """Ctrl-C while a role starts does not wait for the role."""
    threading.Timer(0.2, supervisor.stopping.set).start()
    supervisor.start([service("worker", "import time; time.sleep(60)", lambda: False)])
    assert supervisor.stopping.is_set()


def test_stop_ends_what_does_not_listen_and_what_it_started(
    supervisor: Supervisor, shown: io.StringIO, tmp_path: Path
) -> None:
    """A child that ignores SIGTERM is killed, with its own children."""
    path = tmp_path / "pids"
    stubborn = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); "
    supervisor.start([service("worker", stubborn + writes_pid(path, "time.sleep(60)"))])
    eventually(lambda: len(pids(path)) == 2, 60, "both have begun")
    supervisor.stop()
    eventually(lambda: not any(map(is_alive, pids(path))), 60, "both have ended")
    assert "worker did not stop in time and was killed" in shown.getvalue()
