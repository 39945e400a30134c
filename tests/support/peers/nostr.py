"""A Nostr relay, and people with keys who write to it."""

import asyncio
import json
from hashlib import sha256
from typing import Any

from coincurve import PrivateKey
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.peers.faults import Faults


class Person:
    """Somebody with a key."""

    def __init__(self, number: int) -> None:
        self._key = PrivateKey(number.to_bytes(32, "big"))
        self.pubkey = self._key.public_key.format(compressed=True)[1:].hex()
        self.user = f"nostr:{self.pubkey}"

    def event(self, kind: int, created_at: int, tags: list[list[str]], content: str = "") -> dict[str, Any]:
        """Return a signed event."""
        signed = json.dumps(
            [0, self.pubkey, created_at, kind, tags, content], separators=(",", ":"), ensure_ascii=False
        )
        digest = sha256(signed.encode()).digest()
        return {
            "id": digest.hex(),
            "pubkey": self.pubkey,
            "created_at": created_at,
            "kind": kind,
            "tags": tags,
            "content": content,
            "sig": self._key.sign_schnorr(digest).hex(),
        }


class RelayPeer:
    """Keeps every event, and sends those that a subscription asks for: the kept ones, EOSE, and what comes later."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[dict[str, Any]] = []
        """The filters that clients sent."""
        self._events: list[dict[str, Any]] = []
        self._more = asyncio.Condition()
        self._server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"ws://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> "RelayPeer":
        """Listen."""
        self._server = await serve(self._serve, "127.0.0.1", port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def stop(self) -> None:
        """Cut every connection and listen no more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close(close_connections=True)
            async with self._more:
                self._more.notify_all()
            await server.wait_closed()

    async def say(self, *events: dict[str, Any]) -> None:
        """Publish events."""
        async with self._more:
            self._events.extend(events)
            self._more.notify_all()

    async def _serve(self, connection: ServerConnection) -> None:
        try:
            label, name, wanted = json.loads(await connection.recv())
            assert label == "REQ"
            self.asked.append(wanted)
            at = 0
            while self._server is not None:
                chosen = [
                    json.dumps(["EVENT", name, event])
                    for event in self._events[at:]
                    if event["created_at"] >= wanted["since"] and event["kind"] in wanted["kinds"]
                ]
                first, at = at == 0, len(self._events)
                sent = 0
                async for message in self.faults.over(chosen, 1):
                    await connection.send(message)
                    sent += 1
                    if self.faults.drop_every and sent >= self.faults.drop_every:
                        self.faults.drop_every = 0
                        connection.transport.abort()
                        return
                if first:
                    await connection.send(json.dumps(["EOSE", name]))
                async with self._more:
                    await self._more.wait_for(lambda at=at: len(self._events) > at or self._server is None)  # type: ignore[misc]
        except ConnectionClosed:
            pass
