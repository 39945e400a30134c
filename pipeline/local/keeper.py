"""
Keeps what the embedded broker does not: a snapshot is written when it stops and loaded when it starts.

A mark beside the file says that a log has begun from it. The mark goes when the next snapshot is there; who finds one
at the start knows that the last run was ended by force, and that what it had counted is lost.
"""

import asyncio
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pipeline.local.output import Output
from pipeline.local.services import Service
from pipeline.local.supervisor import Supervisor
from pipeline.settings import Settings
from pipeline.snapshot.commands import default_path

_GROWTH: Final = 2.0
"""A broker that was just filled may grow by this factor, whatever the limit is: it must not begin anew all the time."""


class Keeper:
    """Saves and loads the state behind one embedded broker."""

    def __init__(
        self,
        settings: Settings,
        broker: Service,
        environment: Mapping[str, str],
        supervisor: Supervisor,
        output: Output,
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._environment = environment
        self._supervisor = supervisor
        self._output = output
        self._path = default_path(settings)
        self._mark = self._path.with_name(f"{self._path.name}.begun")
        self._limit_mb = 0.0
        self._is_unsaved = False
        self.hurry = threading.Event()
        """Set by a second Ctrl-C: a snapshot that is being written is given up."""

    def load(self) -> None:
        """
        Let the empty broker begin with what the last run left.

        Raises:
            PipelineError: The file is damaged, or a server does not answer. Nothing will be overwritten.
        """
        if self._path.exists():
            self._restore()
        self._mark.touch()
        self._is_unsaved = True
        self._limit_mb = max(self._settings.broker_memory_mb, _GROWTH * self._supervisor.resident_mb(self._broker))

    def _restore(self) -> None:
        from pipeline.snapshot.restore import restore_snapshot

        lost = self._mark.exists()
        begun = asyncio.run(restore_snapshot(self._settings, self._path, lost=lost))
        taken = datetime.fromtimestamp(begun.taken / 1000).astimezone()
        self._output.say(f"going on with {begun.rows:,} users of {taken:%Y-%m-%d %H:%M:%S}, from {self._path}")
        if lost:
            self._output.say("the last run was ended by force: what it had counted after that is lost")

    def save(self) -> None:
        """Write a snapshot; the roles have stopped, and the broker still answers."""
        if not self._is_unsaved:
            # Nothing was loaded: what is on the disk must stay.
            return
        command = [sys.executable, "-m", "pipeline.cli", "snapshot", str(self._path)]
        status = self._supervisor.run(Service("keeper", command, lambda: True, self._environment), self.hurry)
        if status == 0:
            self._is_unsaved = False
            self._mark.unlink(missing_ok=True)
        else:
            self._output.say("the state was not saved: the next run goes on with the snapshot before this one, if any")

    def is_full(self) -> bool:
        """Tell whether the broker holds so much that it should begin anew."""
        return self._is_unsaved and self._supervisor.resident_mb(self._broker) > self._limit_mb

    @property
    def is_saved(self) -> bool:
        """Whether the broker may go."""
        return not self._is_unsaved

    def be_patient(self) -> None:
        """A snapshot failed: let the broker hold more before the next try."""
        self._limit_mb *= _GROWTH
