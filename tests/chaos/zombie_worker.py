"""
A worker that stops itself, once, between the fence of a round and the flush of its rows: the fence said that it is a
member, and when it is continued, it no longer is, and writes.

Run as `python -m tests.chaos.zombie_worker FLUSH THEN`, with THEN "live" or "die": dying, right after that flush, it
never joins the group again, and nobody writes over what it wrote. Flushes of few rows are not counted.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final

from pipeline.record_batch import Header
from pipeline.state.packed import Packed
from pipeline.streams import plan
from pipeline.streams.batches import NO_HEADERS, BatchWriter

THEN: Final = ("live", "die")

ENOUGH: Final = 10
"""Of so many rows the next owner of their partition writes some, too, and soon."""


def say(what: str) -> None:
    """Write a line at once, for the log of a failed trial."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


def stop_at(after_flushes: int, then: str) -> None:
    """Put the stop where it belongs: `plan.write` flushes after the fence, in the producer's thread."""
    flushes, stopped = 0, False

    class StoppedWriter(BatchWriter):
        """Stops the process before the first rows of a round, those of partition 0; it goes on with all of them."""

        _rows = 0

        def extend(
            self,
            topic: str,
            partition: int,
            keys: Packed,
            values: Packed,
            now: int,
            headers: Sequence[Header] = NO_HEADERS,
        ) -> None:
            if "changelog" in topic and partition == 0:
                self._rows = len(keys)
            super().extend(topic, partition, keys, values, now, headers)

        async def flush(self) -> None:
            nonlocal flushes, stopped
            flushes += self._rows >= ENOUGH
            late = self._rows >= ENOUGH and flushes > after_flushes and not stopped
            if late:
                stopped = True
                say(f"stands still before it writes {self._rows} rows")
                # For this thread, which stops all: sent to the process, another one would take it, and this one flush.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
                say("goes on")
            await super().flush()
            if late:
                say("late flush acknowledged")
            if late and then == "die":
                os.kill(os.getpid(), signal.SIGKILL)

    plan.BatchWriter = StoppedWriter  # type: ignore[misc]


if __name__ == "__main__":
    stop_at(int(sys.argv[1]), sys.argv[2])
    from pipeline.streams.run import run

    run()
