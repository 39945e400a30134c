"""
A subscriber of the stream of changes that notes when it could read each entry.

Run as `python -m tests.bench.watch OUTPUT`; on SIGTERM it writes its notes and ends.
"""

import signal
import sys
import time
from pathlib import Path

import msgspec
from redis import Redis

from pipeline.lookup import keys
from pipeline.lookup.change import decode_change
from pipeline.settings import get_settings

_BLOCK_MS = 200


class Seen(msgspec.Struct, array_like=True):
    """One entry: the document with this version was in Redis at `at` (Unix s)."""

    user: str
    version: int
    at: float


def watch(url: str) -> list[tuple[float, list[list[bytes]]]]:
    """Read until told to stop; entries are decoded later, for now the cores belong to the pipeline."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    connection = Redis.from_url(url, protocol=2).connection_pool.get_connection()
    read: list[tuple[float, list[list[bytes]]]] = []
    command = ("XREAD", "COUNT", 10_000, "BLOCK", _BLOCK_MS, "STREAMS", keys.CHANGES)
    last = b"0-0"
    while not stop:
        connection.send_command(*command, last)  # type: ignore[no-untyped-call]
        answer = connection.read_response()
        at = time.time()
        if answer:
            entries = answer[0][1]
            last = entries[-1][0]
            read.append((at, [fields for _, fields in entries]))
    return read


def main() -> None:
    """Watch and write the notes."""
    seen = [
        Seen(change.user, change.version, at)
        for at, entries in watch(get_settings().redis)
        for name, value, *_ in entries
        if name == b"change"
        for change in (decode_change(value),)
    ]
    Path(sys.argv[1]).write_bytes(msgspec.msgpack.encode(seen))


if __name__ == "__main__":
    main()
