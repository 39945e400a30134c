"""A Mastodon server: its streaming API and the two calls that the agent makes, for one account with a token."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.peers.faults import Faults

TOKEN = "t0ken"


def account(name: str) -> dict[str, Any]:
    """Return an account."""
    return {"id": f"id-{name}", "acct": name, "username": name.partition("@")[0], "display_name": name.title()}


def status(number: int, author: str, time: str, **changes: Any) -> dict[str, Any]:
    """Return a status."""
    uri = f"https://home.example/users/{author}/statuses/{number}"
    return {"id": str(number), "uri": uri, "created_at": time, "account": account(author), "content": "", **changes}


class MastodonPeer:
    """Keeps notifications, and streams whatever it is told to: by WebSocket, or by server-sent events alone."""

    def __init__(self, *, by_events: bool = False) -> None:
        self._events = EventStreams(self) if by_events else None
        self.faults = Faults()
        self.token = TOKEN
        self.connections = 0
        self._notifications: list[dict[str, Any]] = []
        self.messages: list[str] = []
        self.more = asyncio.Condition()
        self._server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> "MastodonPeer":
        """Listen on a free port."""
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._process)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        if self._events is not None:
            await self._events.start()
        return self

    async def stop(self) -> None:
        """Cut every connection and listen no more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close(close_connections=True)
            async with self.more:
                self.more.notify_all()
            if self._events is not None:
                await self._events.stop()
            await server.wait_closed()

    async def notify(self, number: int, kind: str, actor: str, time: str, about: dict[str, Any] | None = None) -> None:
        """Tell the account that somebody did something."""
        notification = {"id": str(number), "type": kind, "created_at": time, "account": account(actor)}
        if about is not None:
            notification["status"] = about
        self._notifications.append(notification)
        await self.say("notification", notification)

    async def say(self, event: str, payload: Any) -> None:
        """Stream an event."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        async with self.more:
            self.messages.append(json.dumps({"stream": ["user"], "event": event, "payload": text}))
            self.more.notify_all()

    async def said(self, at: int) -> AsyncIterator[str | bytes]:
        """Yield the messages from a place on, and what is said later, with the faults."""
        while self._server is not None:
            async with self.more:
                await self.more.wait_for(lambda at=at: len(self.messages) > at or self._server is None)  # type: ignore[misc]
            chosen, first, at = self.messages[at:], at, len(self.messages)
            async for message in self.faults.over(chosen, first + 1):
                yield message

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, '{"error":"The access token is invalid"}')
        address = urlsplit(request.path)
        if address.path == "/api/v2/instance" and self._events is not None:
            urls = {"streaming": f"ws://127.0.0.1:{self._events.port}"}
            return connection.respond(HTTPStatus.OK, json.dumps({"configuration": {"urls": urls}}))
        if address.path == "/api/v1/accounts/verify_credentials":
            return connection.respond(HTTPStatus.OK, json.dumps(account("me")))
        if address.path == "/api/v1/notifications":
            after = int(parse_qs(address.query)["min_id"][0])
            newer = [one for one in self._notifications if int(one["id"]) > after][:2]
            return connection.respond(HTTPStatus.OK, json.dumps(newer[::-1]))
        return None if address.path == "/api/v1/streaming" else connection.respond(HTTPStatus.NOT_FOUND, "{}")

    async def _serve(self, connection: ServerConnection) -> None:
        at = len(self.messages)
        self.connections += 1
        try:
            async for message in self.said(at):
                await connection.send(message)
        except ConnectionClosed:
            pass


class EventStreams:
    """A streaming host that knows no WebSocket: GET /api/v1/streaming/user, and /public, which says nothing."""

    def __init__(self, peer: MastodonPeer) -> None:
        self._peer = peer
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, stream = self._status(head), head.split()[1].rpartition("/")[2]
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".encode())
        with suppress(ConnectionError):
            if status == "200 OK":
                writer.write(b":)\n")
                await writer.drain()
                await self._talk(stream, writer)
            writer.close()
            await writer.wait_closed()

    def _status(self, head: str) -> str:
        if f"bearer {self._peer.token}" not in head.lower():
            return "401 Unauthorized"
        return "404 Not Found" if "upgrade: websocket" in head.lower() else "200 OK"

    async def _talk(self, stream: str, writer: asyncio.StreamWriter) -> None:
        at = len(self._peer.messages)
        self._peer.connections += stream == "user"
        if stream == "public":
            at = 1_000_000
        async for message in self._peer.said(at):
            writer.write(_framed(message))
            await writer.drain()


def _framed(message: str | bytes) -> bytes:
    """Return an event, or what is none as it is."""
    try:
        said = json.loads(message)
        lines = [f"event: {said['event']}", *(f"data: {line}" for line in said["payload"].split("\n"))]
    except (ValueError, KeyError, TypeError, RecursionError):
        return (message if isinstance(message, bytes) else message.encode()) + b"\n"
    return ("\n".join(lines) + "\n\n").encode()
