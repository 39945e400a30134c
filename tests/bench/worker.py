"""
Our worker under a group of its own, so that each run folds the topics from the beginning.

Run as `python -m tests.bench.worker NAME [FILE]`: with a file it joins and recovers, but fetches nothing before that
exists.
"""

import asyncio
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import uvloop
from faust import Worker
from faust.types import TP

from pipeline.logs import configure
from pipeline.settings import get_settings
from pipeline.state.records import Records
from pipeline.streams import engagement
from pipeline.streams.app import create_app
from pipeline.streams.inbox import Inbox
from pipeline.streams.table import EngagementTable
from tests.bench.process import usage


def mark_first_fold() -> None:
    """Print when the first fetch is about to be folded, and what the start had cost."""
    fold = engagement.fold

    def first(app: Any, table: EngagementTable, topic: str, number: int, records: Records) -> bool:
        engagement.fold = fold
        print(f"first fold at {time.monotonic()} after {usage()}", flush=True)
        return fold(app, table, topic, number, records)

    engagement.fold = first


def wait_for(gate: Path) -> None:
    """Fetch nothing before a file exists."""
    want = Inbox.want

    def want_behind(inbox: Inbox, partitions: Collection[TP]) -> None:
        want(inbox, partitions if gate.exists() else ())

    Inbox.want = want_behind  # type: ignore[method-assign]


if __name__ == "__main__":
    mark_first_fold()
    if len(sys.argv) > 2:
        wait_for(Path(sys.argv[2]))
    uvloop.install()
    settings = get_settings()
    configure(settings)
    app = create_app(settings, name=settings.topic_prefix + sys.argv[1])
    worker = Worker(
        app, loglevel="WARN", override_logging=False, redirect_stdouts=False, quiet=True, loop=asyncio.new_event_loop()
    )
    sys.exit(worker.execute_from_commandline())
