"""
A soak: traffic and faults for as long as one likes; memory and open files must stay where they are.

Run as `make soak MINUTES=60`. Each minute it prints what the worker and the lookup service hold; in the end each
event was counted once, and nothing has grown in the second half. The horizon of repeated ids is made so short that it
is full by then: at its usual length it would take hours, and hide whatever else grows.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.local.guard import Guard
from tests.bench.process import resident_bytes
from tests.chaos.trial import Trial
from tests.support.cluster import Broker, Cluster, Role, Valkey
from tests.support.ledger import Ledger
from tests.support.nemesis import Nemesis
from tests.support.settings import make_settings

RATE: Final = 200
"""Events per second."""
IDS: Final = 20_000
"""Of a partition: full after seven minutes."""
SLOPE: Final = (1 << 20) / 600
"""Bytes a second that a process may grow by: 1 MiB in ten minutes."""
LEAST: Final = 20
"""Minutes."""
FILES: Final = 8
"""Open files that come and go."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the processes hold at a moment."""

    at: float
    megabytes: tuple[float, ...]
    files: tuple[int, ...]


def read(roles: list[Role]) -> Reading:
    """Take a reading."""
    files = tuple(len(list(Path(f"/proc/{role.pid}/fd").iterdir())) for role in roles)
    return Reading(time.monotonic(), tuple(resident_bytes(role.pid) / 1e6 for role in roles), files)


def soak(trial: Trial, minutes: int) -> list[Reading]:
    """Let traffic flow, freeze and kill; return a reading a minute of the worker and the lookup service."""
    cluster = trial.cluster
    with trial.load(RATE):
        worker, sink, serve = (cluster.start(role).wait_ready() for role in ("worker", "sink", "serve"))
        readings = []
        for minute in range(minutes):
            end = time.monotonic() + 60
            while time.monotonic() < end:
                trial.nemesis.moment(5.0, 15.0)
                if trial.nemesis.chance(0.3):
                    assert sink.kill() == -9
                    sink = cluster.start("sink").wait_ready()
                else:
                    frozen = trial.nemesis.random.choice((worker, sink, serve))
                    frozen.freeze()
                    trial.nemesis.moment(0.5, 3.0)
                    frozen.thaw()
            readings.append(read([worker, serve]))
            told = zip(("worker", "serve"), readings[-1].megabytes, readings[-1].files, strict=True)
            held = ", ".join(f"{name} {megabytes:.1f} MB, {files} files" for name, megabytes, files in told)
            print(f"{minute + 1} min, {trial.ledger.records:,} events: {held}", flush=True)
    trial.settle([worker])
    trial.check()
    return readings


def judge(readings: list[Reading]) -> None:
    """
    Look at the second half, when everything has been used once.

    Raises:
        AssertionError: Something grows.
    """
    half = readings[len(readings) // 2 :]
    times = np.array([reading.at for reading in half])
    for place, name in enumerate(("worker", "serve")):
        slope = float(np.polyfit(times - times[0], [reading.megabytes[place] for reading in half], 1)[0])
        files = [reading.files[place] for reading in half]
        print(f"{name}: {slope * 600:+.2f} MB in ten minutes, {min(files)} to {max(files)} files")
        assert slope < SLOPE / 1e6, f"{name} grows"
        assert max(files) - min(files) <= FILES, f"{name} leaves files open"


def main() -> None:
    """Soak for so many minutes."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak")
    parser.add_argument("minutes", type=int)
    minutes = parser.parse_args().minutes
    if minutes < LEAST:
        parser.error(f"{LEAST} minutes at least: the second half of them is looked at")
    nemesis, guard = Nemesis(), Guard()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        broker, valkey = Broker(guard, directory), Valkey(guard, directory)
        settings = make_settings(broker.url, valkey.url, directory, dedupe_ids=IDS)
        cluster = Cluster(settings, guard, directory)
        try:
            readings = soak(Trial(cluster, nemesis, Ledger(nemesis.seed)), minutes)
        finally:
            cluster.stop()
            broker.kill()
            valkey.kill()
    judge(readings)


if __name__ == "__main__":
    main()
