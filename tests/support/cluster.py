"""Real processes for tests: a broker, a Valkey, and roles; each ended by its own number, never by a name."""

import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline.local.broker import broker_command, broker_environment, broker_is_ready
from pipeline.local.child import Child, stop_all
from pipeline.local.guard import Guard
from pipeline.local.roles import ROLES, answers
from pipeline.local.valkey import valkey_command, valkey_environment, valkey_is_ready
from pipeline.settings import Settings
from tests.support.eventually import eventually
from tests.support.ports import free_port

REPOSITORY = Path(__file__).parents[2]

STOP_S: Final = 30.0
"""
Three times what is promised: tests run three at a time on two slow cores, and a stop has its share of them. Trials of
`make chaos`, which run alone, insist on the 10 s.
"""


class Logged:
    """A process that writes its output to a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        guard: Guard,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        with self.log.open("ab") as output:
            self.child = Child(name, command, guard, environment=environment, output=output, directory=directory)
        self.pid = self.child.pid

    def output(self) -> str:
        """Return all that it has written."""
        return self.log.read_text(errors="replace")

    def is_running(self) -> bool:
        """Tell whether it still runs."""
        return self.child.status() is None

    def heeds_sigterm(self) -> bool:
        """Tell whether it has come so far that SIGTERM does not just end it, as any process that only begins."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return True  # no Linux, or it has ended
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        return caught is None or bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

    def stop(self, grace_s: float = STOP_S) -> int:
        """Send SIGTERM, wait, and return the exit status (-9 when it did not stop in time)."""
        return self.child.stop(grace_s)

    def kill(self) -> int:
        """Send SIGKILL to the whole group."""
        return self.child.end()

    def freeze(self) -> None:
        """Send SIGSTOP to the whole group: it hangs without noticing."""
        self.child.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT after `freeze`."""
        self.child.signal(signal.SIGCONT)


class Broker(Logged):
    """A Tansu broker in memory, on a port of its own."""

    def __init__(self, guard: Guard, directory: Path, *, advertised: int | None = None) -> None:
        """Start it; `advertised` is the port that clients are told, of a proxy before it."""
        self.port = free_port()
        self.url = f"kafka://127.0.0.1:{self.port}"
        name = f"broker-{self.port}"
        super().__init__(name, broker_command(self.port, advertised), guard, directory, broker_environment())
        eventually(self._is_ready, 60, f"the broker listens; its log is {self.log}")

    def _is_ready(self) -> bool:
        assert self.is_running(), self.output()
        return broker_is_ready(self.port)


class Valkey(Logged):
    """A Valkey server without persistence, on a port of its own; it may be killed and started again, empty."""

    def __init__(self, guard: Guard, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._guard = guard
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Start it, again after a `kill`, and wait until it answers."""
        command = valkey_command(self.port, self._directory)
        super().__init__(f"valkey-{self.port}", command, self._guard, self._directory, valkey_environment())
        eventually(self._is_ready, 60, f"Valkey answers; its log is {self.log}")

    def database(self, number: int) -> str:
        """Return the address of one of its 64 databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def _is_ready(self) -> bool:
        assert self.is_running(), self.output()
        return valkey_is_ready(self.port)


class Role(Logged):
    """A role of the pipeline (`worker`, `sink`, `serve`) as a deployment starts it."""

    def __init__(
        self,
        role: str,
        name: str,
        guard: Guard,
        directory: Path,
        environment: Mapping[str, str],
        port: int,
        command: Sequence[str] = (),
    ) -> None:
        self.spec = ROLES[role]
        self.port = port
        super().__init__(name, command or self.spec.command(), guard, directory, environment)

    @property
    def url(self) -> str:
        """The base address of its web server."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Tell whether it says that it is ready; fail with its log when it has ended."""
        assert self.is_running(), f"{self.name} ended: {self.output()}"
        return answers(self.url + self.spec.ready_path)

    def wait_ready(self, deadline_s: float = 90.0) -> "Role":
        """Wait until it is ready."""
        eventually(self.is_ready, deadline_s, f"{self.name} is ready; its log is {self.log}")
        return self


class Cluster:
    """Starts roles with the settings of one test and ends them all."""

    def __init__(self, settings: Settings, guard: Guard, directory: Path) -> None:
        self.settings = settings
        self.processes: list[Logged] = []
        self._guard = guard
        self._directory = directory
        self._numbers = itertools.count(1)

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a process with these settings; `changes` by full name (`CLOUT_PORT="1"`)."""
        settings = {
            f"CLOUT_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self.settings
            if value is not None
        }
        return {**settings, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **changes}

    def start(self, role: str, *, command: Sequence[str] = (), **changes: str) -> Role:
        """Start `worker`, `sink` or `serve` on a free port; the caller may wait with `wait_ready`."""
        port = int(changes.get(ROLES[role].port_setting) or free_port())
        environment = self.environment(**{**changes, ROLES[role].port_setting: str(port)})
        name = f"{role}-{next(self._numbers)}"
        process = Role(role, name, self._guard, self._directory, environment, port, command)
        self.processes.append(process)
        return process

    def run(self, *arguments: str, name: str = "command", **changes: str) -> Logged:
        """Start any other `clout` command, for example `run("agent", "synthetic")`."""
        command = [sys.executable, "-m", "pipeline.cli", *arguments]
        process = Logged(
            f"{name}-{next(self._numbers)}", command, self._guard, self._directory, self.environment(**changes)
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """End every process that was started, the last one first."""
        for process in self.processes:
            process.thaw()  # a frozen process could not stop
        stop_all([process.child for process in reversed(self.processes)])


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended but was not yet waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")
