"""
What has been fetched and waits to be folded: the consumer's thread puts it in, the worker's loop takes it out.

A run of records costs the loop some 0.3 ms, however short it is: Faust's message, and the fold's array operations.
Under live traffic every response brings a few records of each of some forty partitions, so small fetches of a partition
are joined, and wait until a round is about to plan that partition, or for a moment when there is none.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Final

from faust.types import TP

from pipeline.fetches import Fetched

HOLD_S: Final = 1.0
"""No fetch is held for longer; rounds take what is held several times a second."""

LARGE: Final = 64 << 10
"""Bytes of a fetch that need no company."""

FULL: Final = 16 << 20
"""Bytes from which on nothing is fetched: what the loop cannot keep up with waits at the broker."""


class Inbox:
    """
    Fetches by partition, each partition's in order.

    Args:
        now: The time in seconds.
        notify: Called, in whatever thread puts something in, when the loop should look.
    """

    def __init__(self, now: Callable[[], float], notify: Callable[[], None]) -> None:
        self._now = now
        self._notify = notify
        self._lock = threading.Lock()
        self._ready: deque[tuple[TP, Fetched]] = deque()
        self._held: dict[TP, Fetched] = {}
        self._since: dict[TP, float] = {}
        """When the first of what is held of a partition came; in the order of time."""
        self._bytes = 0
        self._ends: dict[TP, int] = {}
        self._wanted: frozenset[TP] = frozenset()

    @property
    def wanted(self) -> frozenset[TP]:
        """The partitions to fetch now: none while there is no room."""
        return self._wanted if self._bytes < FULL else frozenset()

    def want(self, partitions: Collection[TP]) -> None:
        """Fetch these partitions from now on."""
        if self._wanted != (wanted := frozenset(partitions)):
            self._wanted = wanted

    def put(self, fetches: Mapping[TP, Fetched]) -> None:
        """Add what was fetched."""
        if not fetches:
            return
        with self._lock:
            for tp, fetched in fetches.items():
                self._put(tp, fetched)
        self._notify()

    def _put(self, tp: TP, fetched: Fetched) -> None:
        self._ends[tp] = fetched.end
        self._bytes += fetched.size
        before = self._held.pop(tp, None)
        if before is not None:
            if before.end == fetched.first:
                fetched = before.plus(fetched)
            else:
                # The partition was sought elsewhere.
                self._ready.append((tp, before))
        if fetched.size >= LARGE:
            self._since.pop(tp, None)
            self._ready.append((tp, fetched))
        else:
            self._since.setdefault(tp, self._now())
            self._held[tp] = fetched

    def _let_go(self, tp: TP) -> None:
        del self._since[tp]
        self._ready.append((tp, self._held.pop(tp)))

    def release(self, number: int) -> None:
        """Hold nothing of the partitions with this number any longer."""
        with self._lock:
            for tp in [tp for tp in self._held if tp.partition == number]:
                self._let_go(tp)
            released = bool(self._ready)
        if released:
            self._notify()

    def take(self) -> tuple[TP, Fetched] | None:
        """Return the next fetch that is to go on, if there is one."""
        with self._lock:
            while self._since and self._left() <= 0:
                self._let_go(next(iter(self._since)))
            if not self._ready:
                return None
            tp, fetched = self._ready.popleft()
            self._bytes -= fetched.size
            return tp, fetched

    def left(self) -> float:
        """Return the seconds until what is held is to go on; infinite when nothing is."""
        with self._lock:
            return max(0.0, self._left())

    def _left(self) -> float:
        return next(iter(self._since.values()), float("inf")) + HOLD_S - self._now()

    def drop(self, partitions: Collection[TP]) -> None:
        """Drop what waits of these partitions: it will be fetched again."""
        with self._lock:
            self._ready = deque((tp, fetched) for tp, fetched in self._ready if tp not in partitions)
            for tp in partitions:
                self._held.pop(tp, None)
                self._since.pop(tp, None)
                self._ends.pop(tp, None)
            left = [fetched for _, fetched in self._ready]
            self._bytes = sum(fetched.size for fetched in (*left, *self._held.values()))

    def ends(self) -> dict[TP, int]:
        """Return where the newest fetch of each partition ended."""
        with self._lock:
            return dict(self._ends)
