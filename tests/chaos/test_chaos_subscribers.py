"""A crowd of subscribers while everything behind them fails: nobody misses a change that no reset has told of."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.kafka import client_options
from pipeline.settings import Settings
from pipeline.topics import ensure_topics
from tests.integration.test_lookup_crowd import stuck
from tests.support.cluster import Cluster, Role, Valkey
from tests.support.nemesis import Nemesis
from tests.unit.lookup.documents import score_bytes

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

STEADY: Final = 400
STUCK: Final = 50
RESTLESS: Final = 50
USERS: Final = [f"x:{number}" for number in range(6)]
STEP_S: Final = 0.25
"""Between two versions of everyone: more than 10,000 events a second leave the service."""
FAULTS: Final = 12
SETTLE_S: Final = 90.0


def score_of(version: int) -> float:
    """Return the score of a version, by which a look-up tells it."""
    return 1 + version / 100


class Client:
    """
    Does what the service's documentation says: resumes behind the last id, and looks up what it needs after a reset.

    `known` is the newest version of each user that it has.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._told: dict[str, int] = {}
        self.known: dict[str, int] = {}
        self.last_id = ""
        self.resets = 0

    async def follow(self) -> None:
        """Subscribe, for ever anew."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._listen()
            await asyncio.sleep(0.2)

    async def come_and_go(self, nemesis: Nemesis) -> None:
        """Leave without a word after a moment, and resume where it was."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nemesis.random.uniform(0.05, 2.0)):
                    await self.follow()

    async def _listen(self) -> None:
        async with contextlib.aclosing(self._events()) as events:
            async for kind, entry_id, data in events:
                if kind == "reset":
                    self.resets += 1
                    self._told.clear()
                    await self._look_up()
                elif kind == "change":
                    change = json.loads(data)
                    user, version = change["user"], change["version"]
                    assert version > self._told.get(user, 0), "a version came again, or went back"
                    self._told[user] = version
                    self.known[user] = max(version, self.known.get(user, 0))
                # Only now: who leaves in between has not dealt with it.
                self.last_id = entry_id or self.last_id

    async def _events(self) -> AsyncGenerator[tuple[str, str, str], None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            resume = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(f"GET /v1/changes HTTP/1.1\r\nHost: x\r\n{resume}\r\n".encode())
            if b" 200 " not in await reader.readline():
                return
            held = ""
            while block := await reader.read(65536):
                *whole, held = (held + block.decode()).split("\n\n")
                for event in whole:
                    lines = dict(re.findall(r"^(id|event|data): (.*)$", event, re.MULTILINE))
                    yield lines.get("event", ""), lines.get("id", ""), lines.get("data", "")
        finally:
            writer.transport.abort()

    async def _look_up(self) -> None:
        body = json.dumps({"users": USERS})
        head = "POST /v1/scores HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        answer = b""
        while b" 200 " not in answer[:15]:
            with contextlib.suppress(OSError):
                answer = await self._ask(request)
            await asyncio.sleep(0.2)
        for user, score in json.loads(answer.partition(b"\r\n\r\n")[2])["scores"].items():
            version = round((score - 1) * 100) if score else 0
            self.known[user] = max(version, self.known.get(user, 0))

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.transport.abort()


class Stage:
    """What can fail: Valkey, the sink and the service."""

    def __init__(self, cluster: Cluster, valkey: Valkey, nemesis: Nemesis) -> None:
        self._cluster = cluster
        self._valkey = valkey
        self._nemesis = nemesis
        self._sink = cluster.start("sink").wait_ready()
        self.serve: Role = cluster.start("serve").wait_ready()

    def break_something(self) -> None:
        """Let one thing fail, and come back after a moment."""
        fault = self._nemesis.random.choice((self._freeze, self._empty, self._kill_sink, self._kill_serve))
        self._nemesis.note(fault.__name__)
        fault()
        self._nemesis.moment(1.0, 4.0)

    def _freeze(self) -> None:
        self._valkey.freeze()
        self._nemesis.moment(0.5, 3.0)
        self._valkey.thaw()

    def _empty(self) -> None:
        self._valkey.kill()
        self._nemesis.moment(0.0, 2.0)
        self._valkey.start()

    def _kill_sink(self) -> None:
        self._sink.kill()
        self._nemesis.moment(0.0, 2.0)
        self._sink = self._cluster.start("sink")

    def _kill_serve(self) -> None:
        port = self.serve.port
        self.serve.kill()
        self._nemesis.moment(0.0, 2.0)
        self.serve = self._cluster.start("serve", CLOUT_PORT=str(port))


async def publish(settings: Settings, is_over: asyncio.Event) -> int:
    """Publish a version of everyone every quarter of a second; return the last one."""
    version = 0
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        while not is_over.is_set() or version == 0:
            version += 1
            now = int(time.time() * 1000)
            for user in USERS:
                value = score_bytes(user, score_of(version), version, time=now, as_of=now)
                await producer.send_and_wait(settings.topic_prefix + "scores", value, key=user.encode())
            await asyncio.sleep(STEP_S)
    return version


def test_nobody_misses_a_change_unannounced(own_cluster: Cluster, own_valkey: Valkey, nemesis: Nemesis) -> None:
    """400 read, 50 never do, 50 come and go: in the end each that reads has the newest version of everyone."""
    settings = own_cluster.settings
    asyncio.run(ensure_topics(settings))
    stage = Stage(own_cluster, own_valkey, nemesis)
    clients = [Client(stage.serve.port) for _ in range(STEADY + RESTLESS)]

    def storm() -> None:
        for _ in range(FAULTS):
            stage.break_something()

    async def run() -> None:
        never_read = [stuck(stage.serve.port) for _ in range(STUCK)]
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.follow()) for client in clients[:STEADY]]
            tasks += [group.create_task(client.come_and_go(nemesis)) for client in clients[STEADY:]]
            publisher = group.create_task(publish(settings, over))
            await asyncio.to_thread(storm)
            over.set()
            wanted = dict.fromkeys(USERS, await publisher)
            began = time.monotonic()
            while behind := [client.known for client in clients if client.known != wanted]:
                assert time.monotonic() - began < SETTLE_S, f"{len(behind)} clients lack something: {behind[:3]}"
                await asyncio.sleep(0.2)
            for task in tasks:
                task.cancel()
        await asyncio.sleep(0.5)  # the loop closes what they left open
        for connection in never_read:
            connection.close()

    asyncio.run(run())
    resets = sorted(client.resets for client in clients)
    print(f"resets of a client: {resets[0]} to {resets[-1]}; faults: {nemesis.done}")
    assert stage.serve.stop() == 0
