"""`clout up` as a user runs it."""

import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from pipeline.local.guard import Guard
from tests.support.cluster import STOP_S, Cluster, Logged, is_alive
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def up(guard: Guard, tmp_path: Path) -> Cluster:
    """Starts `clout up` with embedded servers on free ports; it must end by itself."""
    settings = make_settings(
        f"kafka://127.0.0.1:{free_port()}",
        f"redis://127.0.0.1:{free_port()}/0",
        tmp_path,
        embedded=True,
        port=free_port(),
        worker_port=free_port(),
        sink_port=free_port(),
        alerter_port=free_port(),
        agent_port=free_port(),
        log_format="auto",
    )
    return Cluster(settings, guard, tmp_path)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    children = [child for child, parent in pairs if parent == pid]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def wait_for(process: Logged, text: str, deadline_s: float) -> None:
    """Wait until a process has written something."""

    def written() -> bool:
        assert process.is_running(), process.output()
        return text in process.output()

    eventually(written, deadline_s, f"{text!r} in {process.log}")


def ends_within(process: Logged, children: list[int], seconds: float) -> None:
    """Check that a process and all that it started end."""
    eventually(lambda: not process.is_running(), seconds, "clout up has ended")
    eventually(lambda: not any(map(is_alive, children)), 60, "no process is left")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_demo_shows_a_leaderboard_and_leaves_nothing_behind(up: Cluster, number: signal.Signals) -> None:
    """From nothing to a leaderboard, and back to nothing."""
    process = up.run("up", "--demo")
    try:
        wait_for(process, "| ready after", 120)
        wait_for(process, "engagers", 120)
        with urllib.request.urlopen(f"http://127.0.0.1:{up.settings.port}/v1/leaderboard", timeout=60) as answer:
            assert answer.status == 200
        children = descendants(process.pid)
        assert len(children) >= 6  # broker, Valkey, three roles, the agent, the guard
        process.child.signal(number)
        ends_within(process, children, STOP_S)
        assert process.kill() == 0
    finally:
        up.stop()


def test_nothing_survives_when_it_is_killed(up: Cluster) -> None:
    """After SIGKILL of `clout up`, its guard ends the rest."""
    process = up.run("up")
    try:
        wait_for(process, "| ready after", 120)
        children = descendants(process.pid)
        process.kill()
        eventually(lambda: not any(map(is_alive, children)), 60, "no process is left")
    finally:
        up.stop()


def test_servers_that_are_named_are_used(cluster: Cluster) -> None:
    """With --broker and --redis, `clout up` starts the roles alone."""
    ports = {
        name: str(free_port()) for name in ("CLOUT_PORT", "CLOUT_WORKER_PORT", "CLOUT_SINK_PORT", "CLOUT_ALERTER_PORT")
    }
    arguments = ("--broker", cluster.settings.broker, "--redis", cluster.settings.redis)
    process = cluster.run("up", *arguments, CLOUT_EMBEDDED="true", **ports)
    wait_for(process, "| ready after", 120)
    assert "starting worker, sink, alerter, serve" in process.output()
    assert process.stop() == 0


def test_a_taken_port_is_told_in_one_line(up: Cluster) -> None:
    """Nothing starts, and the error names the port, who needs it and what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", up.settings.worker_port))
        other.listen()
        process = up.run("up")
        eventually(lambda: not process.is_running(), 60, "clout up has ended")
    assert process.kill() == 1
    assert process.output().startswith(f"clout: port {up.settings.worker_port}, which the role worker needs, is taken")
    assert process.output().count("\n") == 1
