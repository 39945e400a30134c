"""The commands `clout snapshot` and `clout restore`."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.settings import Settings, load_settings

File = Annotated[Path | None, Parameter(help="The file; CLOUT_DATA_DIR/snapshot.clout by default.")]
Broker = Annotated[str | None, Parameter(help="Kafka: kafka://host:port")]


def default_path(settings: Settings) -> Path:
    """Return where the embedded mode keeps its snapshot, and commands look for one."""
    return settings.data_dir / "snapshot.clout"


def snapshot(file: File = None, *, broker: Broker = None) -> None:
    """Write all rows to a file, as the log is at this moment; the worker may run or not."""
    from pipeline.snapshot.capture import take_snapshot
    from pipeline.streams.allocator import keep_freed_memory

    keep_freed_memory()
    settings = load_settings(broker=broker)
    path = file or default_path(settings)
    began = time.monotonic()
    taken = asyncio.run(take_snapshot(settings, path))
    print(  # noqa: T201 - the command's output
        f"{taken.rows:,} users and {taken.records:,} records written to {path}: "
        f"{taken.bytes / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s"
    )


def restore(file: File = None, *, broker: Broker = None) -> None:
    """Let empty topics begin with a snapshot, in any number of partitions; start the worker afterwards."""
    from pipeline.snapshot.restore import restore_snapshot

    settings = load_settings(broker=broker)
    path = file or default_path(settings)
    began = time.monotonic()
    begun = asyncio.run(restore_snapshot(settings, path))
    taken = datetime.fromtimestamp(begun.taken / 1000, UTC)
    print(  # noqa: T201 - the command's output
        f"{begun.rows:,} users and {begun.records:,} records of {taken:%Y-%m-%d %H:%M:%S} UTC restored from {path} "
        f"in {time.monotonic() - began:.1f} s"
    )
