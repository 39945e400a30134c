"""
Reading ahead: a thread of its own parses and scans fetches while the worker's loop folds the ones before.

What is compiled holds no interpreter lock, so a worker that catches up uses a second core. A small fetch is read by the
loop itself: handing it over would take longer.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pipeline.fetches import Fetched
from pipeline.parsing import parsed
from pipeline.state.decode import read_ahead
from pipeline.state.records import Records

SMALL: Final = 64 << 10
"""Bytes of a fetch that is not worth a thread's time."""

Reading = Records | asyncio.Future[Records]
"""A run of records, or the promise of one."""


class ReadAhead:
    """Reads fetches in the order in which they come."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")

    def start(self, source: int, fetched: Fetched) -> Reading:
        """Begin to read a fetch of a source."""
        if fetched.size < SMALL:
            return parsed(fetched)
        return asyncio.get_running_loop().run_in_executor(self._thread, _read, source, fetched)

    def stop(self) -> None:
        """Read no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _read(source: int, fetched: Fetched) -> Records:
    return read_ahead(source, parsed(fetched))
