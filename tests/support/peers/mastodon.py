"""A Mastodon server: its streaming API and the two calls that the agent makes, for one account with a token."""

import asyncio
import json
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
    """Keeps notifications, and streams whatever it is told to."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.token = TOKEN
        self.connections = 0
        self._notifications: list[dict[str, Any]] = []
        self._messages: list[str] = []
        self._more = asyncio.Condition()
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
        return self

    async def stop(self) -> None:
        """Cut every connection and listen no more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close(close_connections=True)
            async with self._more:
                self._more.notify_all()
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
        async with self._more:
            self._messages.append(json.dumps({"stream": ["user"], "event": event, "payload": text}))
            self._more.notify_all()

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, '{"error":"The access token is invalid"}')
        address = urlsplit(request.path)
        if address.path == "/api/v1/accounts/verify_credentials":
            return connection.respond(HTTPStatus.OK, json.dumps(account("me")))
        if address.path == "/api/v1/notifications":
            after = int(parse_qs(address.query)["min_id"][0])
            newer = [one for one in self._notifications if int(one["id"]) > after][:2]
            return connection.respond(HTTPStatus.OK, json.dumps(newer[::-1]))
        return None if address.path == "/api/v1/streaming" else connection.respond(HTTPStatus.NOT_FOUND, "{}")

    async def _serve(self, connection: ServerConnection) -> None:
        at = len(self._messages)
        self.connections += 1
        try:
            while self._server is not None:
                async with self._more:
                    await self._more.wait_for(lambda at=at: len(self._messages) > at or self._server is None)  # type: ignore[misc]
                chosen, first, at = self._messages[at:], at, len(self._messages)
                async for message in self.faults.over(chosen, first + 1):
                    await connection.send(message)
        except ConnectionClosed:
            pass
