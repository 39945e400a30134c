"""
Our worker under a group of its own, so that each run folds the topics from the beginning.

Run as `python -m tests.bench.worker NAME`.
"""

import asyncio
import sys
import time

import uvloop
from faust import Worker

from pipeline.logs import configure
from pipeline.settings import get_settings
from pipeline.state.partition import Partition
from pipeline.state.records import Records, Refusal
from pipeline.streams.app import create_app
from tests.bench.process import usage


def mark_first_fold() -> None:
    """Print when the first batch is about to be folded, and what the start had cost."""
    fold = Partition.fold

    def first(part: Partition, source: int, records: Records) -> list[Refusal]:
        Partition.fold = fold  # type: ignore[method-assign]
        print(f"first fold at {time.monotonic()} after {usage()}", flush=True)
        return fold(part, source, records)

    Partition.fold = first  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    mark_first_fold()
    uvloop.install()
    settings = get_settings()
    configure(settings)
    app = create_app(settings, name=settings.topic_prefix + sys.argv[1])
    worker = Worker(
        app, loglevel="WARN", override_logging=False, redirect_stdouts=False, quiet=True, loop=asyncio.new_event_loop()
    )
    sys.exit(worker.execute_from_commandline())
