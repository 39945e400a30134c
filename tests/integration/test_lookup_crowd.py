"""A crowd of subscribers, some of whom behave badly: nobody else notices, and nobody misses a change unannounced."""

import asyncio
import contextlib
import json
import random
import re
import socket
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.integration.test_lookup_api import store
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.unit.lookup.documents import score_bytes

pytestmark = pytest.mark.integration

STEADY: Final = 400
STUCK: Final = 50
RESTLESS: Final = 50
USERS: Final = 12
VERSIONS: Final = 40
DEADLINE_S: Final = 60.0


@dataclass
class Listener:
    """A subscriber that notes the newest version of each user, and that none is older than one before."""

    versions: dict[str, int] = field(default_factory=dict)
    last_id: str = ""
    resets: int = 0
    latest_s: float = 0.0
    """The longest that a change took from the writer to here."""

    async def listen(self, port: int) -> None:
        """Read until cancelled, or until the service ends the stream."""
        async for kind, entry_id, data in _events(port, self.last_id):
            self.last_id = entry_id or self.last_id
            if kind == "reset":
                self.resets += 1
            elif kind == "change":
                change = json.loads(data)
                assert change["version"] > self.versions.get(change["user"], 0), "a version came again, or went back"
                self.versions[change["user"]] = change["version"]
                self.latest_s = max(self.latest_s, time.time() - change["time"] / 1000)

    async def come_and_go(self, port: int, draw: random.Random) -> None:
        """Leave without a word after a moment, and resume where it was."""
        while True:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(draw.uniform(0.05, 0.8)):
                    await self.listen(port)


async def _events(port: int, last_id: str) -> AsyncIterator[tuple[str, str, str]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        writer.write(f"GET /v1/changes HTTP/1.1\r\nHost: x\r\n{resume}\r\n".encode())
        held = ""
        while block := await reader.read(65536):
            *whole, held = (held + block.decode()).split("\n\n")
            for event in whole:
                lines = dict(re.findall(r"^(id|event|data): (.*)$", event, re.MULTILINE))
                yield lines.get("event", ""), lines.get("id", ""), lines.get("data", "")
    finally:
        writer.transport.abort()


def stuck(port: int) -> socket.socket:
    """Subscribe, and never read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /v1/changes HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection


def _metric(serve: Role, name: str) -> float:
    with urllib.request.urlopen(f"{serve.url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)


def _write(redis_url: str, version: int) -> None:
    now = int(time.time() * 1000)
    values = [score_bytes(f"x:{user}", 50, version, time=now, avatar="a" * 400) for user in range(USERS)]
    store(redis_url, values)


async def _until(condition: "asyncio.Task[None]", listeners: list[Listener]) -> None:
    """Wait until the writer has ended and every listener has the last version of everyone."""
    await condition
    wanted = {f"x:{user}": VERSIONS for user in range(USERS)}
    async with asyncio.timeout(DEADLINE_S):
        while any(listener.versions != wanted for listener in listeners):
            await asyncio.sleep(0.1)


def test_a_crowd_is_told_everything_whoever_stands_among_it(cluster: Cluster, redis_url: str) -> None:
    """400 read, 50 never do, 50 come and go: each reader has the newest of everyone at the end, in order, soon."""
    _write(redis_url, 0)
    serve = cluster.start("serve").wait_ready()
    before, files = _metric(serve, "process_resident_memory_bytes"), _metric(serve, "process_open_fds")
    draw = random.Random(9)
    steady, restless = [Listener() for _ in range(STEADY)], [Listener() for _ in range(RESTLESS)]

    async def run() -> None:
        silent = [stuck(serve.port) for _ in range(STUCK)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listener.listen(serve.port)) for listener in steady]
            tasks += [group.create_task(listener.come_and_go(serve.port, draw)) for listener in restless]
            while any(not listener.last_id for listener in steady + restless):
                await asyncio.sleep(0.05)
            writer = group.create_task(asyncio.to_thread(_write_all, redis_url))
            await _until(writer, steady + restless)
            assert _metric(serve, "clout_stream_clients") >= STEADY + STUCK
            for task in tasks:
                task.cancel()
        for connection in silent:
            connection.close()

    asyncio.run(run())
    assert [listener.resets for listener in steady + restless] == [0] * (STEADY + RESTLESS)
    late = sorted(listener.latest_s for listener in steady)[STEADY * 99 // 100]
    assert late < DEADLINE_S / 2, f"a change took {late:.1f} s"
    assert _metric(serve, "process_resident_memory_bytes") - before < 150e6
    eventually(lambda: _metric(serve, "clout_stream_clients") == 0, 60, "every subscription has ended")
    # Connections to Redis are kept: two pools of 32.
    eventually(lambda: _metric(serve, "process_open_fds") < files + 80, 60, "every socket is closed")


def _write_all(redis_url: str) -> None:
    for version in range(1, VERSIONS + 1):
        _write(redis_url, version)
