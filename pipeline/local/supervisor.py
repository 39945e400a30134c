"""
Starts services, keeps them alive, and ends them all.

A service that dies is started again after a pause that doubles.
One that keeps dying young ends everything: its last lines tell why.
"""

import signal
import threading
import time
from collections.abc import Sequence
from typing import Final

from pipeline.errors import FatalError
from pipeline.local.child import Child, resident_mb, stop_all
from pipeline.local.guard import Guard
from pipeline.local.output import Output
from pipeline.local.services import Service

_LOOK_S: Final = 0.1
"""Between two looks at a child that is starting."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_YOUNG_S: Final = 15.0
"""A service that lived longer has worked: its next death begins a new count."""
_DEATHS: Final = 4
"""So many deaths in a row, each young, are no accident."""
_ROLES_STOP_S: Final = 6.5
"""With the servers' time below within the 10 s that a stop may take."""
_SERVERS_STOP_S: Final = 1.5


class Kept:
    """A service and its life so far."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.child: Child | None = None
        self.began = 0.0
        self.deaths = 0
        self.due = 0.0

    def pause_s(self) -> float:
        """How long to wait before the next start."""
        return float(min(_FIRST_PAUSE_S * 2 ** (self.deaths - 1), _LONGEST_PAUSE_S))


class Supervisor:
    """The parent of all services; `stopping` may be set from anywhere."""

    def __init__(self, output: Output) -> None:
        self.stopping = threading.Event()
        self._output = output
        self._guard = Guard()
        self._kept: list[Kept] = []
        self._servers: list[Kept] = []

    def start_servers(self, services: Sequence[Service]) -> None:
        """Start what all others need, and wait until it is ready; it is stopped last."""
        self._servers += self._start(services)

    def start(self, services: Sequence[Service]) -> None:
        """Start services together and wait until all are ready, or until it is time to stop."""
        self._start(services)

    def keep(self) -> None:
        """
        Start again what has died; call it often.

        Raises:
            FatalError: A service cannot be kept alive.
        """
        now = time.monotonic()
        for kept in self._kept:
            if kept.child is None:
                if now >= kept.due:
                    self._spawn(kept)
            elif kept.child.status() is not None:
                self._bury(kept, kept.child, now)

    def end_roles(self) -> None:
        """End all but the servers, which still answer; none of them is started again."""
        self._end([kept for kept in self._kept if kept not in self._servers], _ROLES_STOP_S)

    def end(self, service: Service) -> None:
        """End one service for good."""
        self._end([kept for kept in self._kept if kept.service is service], _SERVERS_STOP_S)

    def stop(self) -> None:
        """End everything: roles while their servers still answer, then the servers."""
        self.stopping.set()
        self.end_roles()
        self._end(self._servers, _SERVERS_STOP_S)
        self._guard.close()

    def run(self, service: Service, give_up: threading.Event) -> int:
        """Run a command to its end, or until it is time to give up, and return its exit status."""
        child = Child(service.name, service.command, self._guard, environment=service.environment)
        self._output.follow(child)
        while child.wait(_LOOK_S) is None and not give_up.is_set():
            pass
        status = child.end()
        self._output.last_lines(service.name)
        return status

    def resident_mb(self, service: Service) -> float:
        """Return the memory that a service holds, 0 while it does not run."""
        pids = [kept.child.pid for kept in self._kept if kept.service is service and kept.child]
        return resident_mb(pids[0]) if pids else 0.0

    def _end(self, ended: Sequence[Kept], grace_s: float) -> None:
        statuses = stop_all([kept.child for kept in ended if kept.child], grace_s)
        self._kept = [kept for kept in self._kept if kept not in ended]
        self._servers = [kept for kept in self._servers if kept not in ended]
        for name, status in statuses.items():
            if status == -signal.SIGKILL:
                self._output.say(f"{name} did not stop in time and was killed")

    def _start(self, services: Sequence[Service]) -> list[Kept]:
        started = [Kept(service) for service in services]
        self._kept += started
        for kept in started:
            self._spawn(kept)
        for kept in started:
            self._await_ready(kept)
        return started

    def _spawn(self, kept: Kept) -> None:
        service = kept.service
        kept.child = Child(service.name, service.command, self._guard, environment=service.environment)
        kept.began = time.monotonic()
        self._output.follow(kept.child)

    def _await_ready(self, kept: Kept) -> None:
        deadline = time.monotonic() + kept.service.ready_s
        while not self.stopping.is_set() and not (kept.child and kept.service.is_ready()):
            self.keep()
            if time.monotonic() > deadline:
                raise FatalError(self._obituary(kept, f"was not ready after {kept.service.ready_s:g} s"))
            self.stopping.wait(_LOOK_S)

    def _bury(self, kept: Kept, child: Child, now: float) -> None:
        status = child.end()
        kept.child = None
        kept.deaths = 1 if now - kept.began > _YOUNG_S else kept.deaths + 1
        if kept.service.keeps_everything:
            raise FatalError(self._obituary(kept, f"ended with status {status}, and all topics with it"))
        if kept.deaths >= _DEATHS:
            raise FatalError(self._obituary(kept, f"ended {kept.deaths} times in a row, now with status {status}"))
        kept.due = now + kept.pause_s()
        self._output.say(f"{kept.service.name} ended with status {status}: starting it again in {kept.pause_s():g} s")

    def _obituary(self, kept: Kept, what: str) -> str:
        lines = self._output.last_lines(kept.service.name)
        return "\n  ".join([f"the {kept.service.name} {what}" + (". Its last lines:" if lines else ""), *lines])
