"""Runs of scanned events that wait to be packed together: live traffic comes in runs of some dozens."""

import numpy as np
from numpy.typing import NDArray

from pipeline.state.events import joined


class Gathered:
    """Events in the order in which they came, of several kinds."""

    def __init__(self) -> None:
        self._kinds: list[int] = []
        self._rows: list[NDArray[np.int64]] = []
        self._events: list[NDArray[np.void]] = []
        self._waiting = 0

    def __len__(self) -> int:
        """Return the number of events."""
        return self._waiting

    def add(self, kind: int, rows: NDArray[np.int64], events: NDArray[np.void]) -> None:
        """Add a run of one kind, [n] `SCANNED` of rows [n]."""
        self._kinds.append(kind)
        self._rows.append(rows)
        self._events.append(events)
        self._waiting += len(rows)

    def take(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.void]]:
        """Return the kinds, rows and events of all, at least one, and hold none of them any longer."""
        kinds = np.repeat(self._kinds, [len(rows) for rows in self._rows])
        rows, events = np.concatenate(self._rows), joined(self._events)
        self._kinds, self._rows, self._events, self._waiting = [], [], [], 0
        return kinds, rows, events
