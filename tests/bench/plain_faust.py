"""
The plain Faust version of the job: a hopping-window table and one event at a time, as its documentation shows it.

Run as `python -m tests.bench.plain_faust RECORDS`; prints one JSON line when so many events are counted, and ends.
"""

import os
import sys
import time

import faust
import msgspec

from pipeline.kafka import bootstrap_servers
from pipeline.settings import get_settings
from tests.bench.process import usage

settings = get_settings()
wanted = int(sys.argv.pop(1))


class Event(faust.Record, serializer="json"):  # type: ignore[call-arg,misc]
    """What the plain job needs of an engagement."""

    id: str
    kind: str
    actor: str
    target: str
    time: int


app = faust.App(
    settings.topic_prefix + f"plain-{os.getpid()}",
    broker="kafka://" + ";".join(bootstrap_servers(settings)),
    topic_partitions=settings.partitions,
    topic_disable_leader=True,
    table_standby_replicas=0,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=1.5,
    web_port=settings.worker_port,
    datadir=settings.data_dir / "plain",
)
topic = app.topic(
    *(settings.topic_prefix + name for name in ("likes", "shares", "comments", "follows")), value_type=Event
)
table = app.Table("plain", default=int, partitions=settings.partitions).hopping(60.0, 10.0, expires=3600.0)
progress = {"seen": 0, "started": 0.0, "cpu": 0.0}


@app.agent(topic)  # type: ignore[untyped-decorator]
async def count(events: faust.StreamT[Event]) -> None:
    """Count the engagements of each target."""
    async for event in events:
        if not progress["seen"]:
            progress["started"], progress["cpu"] = time.monotonic(), usage()
        table[f"{event.target}:{event.kind}"] += 1
        progress["seen"] += 1
        if progress["seen"] == wanted:
            seconds = time.monotonic() - progress["started"]
            line = {"seconds": seconds, "events": wanted, "cpu": usage() - progress["cpu"]}
            # Faust has made a logger of sys.stdout.
            os.write(1, msgspec.json.encode(line) + b"\n")
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    app.main()
