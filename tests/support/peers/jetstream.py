"""A Jetstream server: version 1 or 2, packed or not, with a cursor, a memory of all it has said, and faults."""

import asyncio
import json
from bisect import bisect_left
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from backports.zstd import ZstdCompressor, ZstdDict
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.peers.faults import Faults

_AT_ONCE = 256


class JetstreamPeer:
    """
    Says what it is told to say, in the order of its times, to everyone who listens.

    `say` takes frames of version 1 as dictionaries; to listeners of version 2 they are said in that version.
    """

    def __init__(self, *, version: int = 1, dictionary: bytes | None = None, skew_us: int = 0) -> None:
        self.faults = Faults()
        self.asked: list[str] = []
        """The paths, with queries, that clients asked for."""
        self._version = version
        self._dictionary = dictionary
        self._skew_us = skew_us
        """How much later than another server this one sees everything."""
        self._times: list[int] = []
        self._frames: list[dict[str, Any]] = []
        self._more = asyncio.Condition()
        self._server: Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> "JetstreamPeer":
        """Listen, on a free port unless one is given."""
        self._server = await serve(self._serve, "127.0.0.1", port, process_request=self._process, compression=None)
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

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"ws://127.0.0.1:{self.port}"

    async def say(self, *frames: dict[str, Any]) -> None:
        """Add to what happened; times must not go back."""
        async with self._more:
            for frame in frames:
                moved = {**frame, "time_us": frame["time_us"] + self._skew_us}
                self._times.append(moved["time_us"])
                self._frames.append(moved)
            self._more.notify_all()

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        if path.endswith("getZstdDictionary"):
            if self._version == 2 and self._dictionary is not None:
                response = connection.respond(HTTPStatus.OK, "")
                del response.headers["Content-Length"], response.headers["Content-Type"]
                response.headers["Content-Length"] = str(len(self._dictionary))
                response.body = self._dictionary
                return response
            if self._version == 2:
                return connection.respond(HTTPStatus.BAD_REQUEST, '{"error":"DictionaryNotFound","message":"none"}')
            return connection.respond(HTTPStatus.NOT_FOUND, "no such method\n")
        self.asked.append(request.path)
        if self.faults.refuse:
            self.faults.refuse -= 1
            return connection.respond(HTTPStatus(self.faults.status), "refused\n")
        expected = "/subscribe" if self._version == 1 else "/xrpc/network.bsky.jetstream.subscribeEvents"
        return None if path == expected else connection.respond(HTTPStatus.NOT_FOUND, "not here\n")

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        at = bisect_left(self._times, int(query["cursor"][0])) if "cursor" in query else len(self._times)
        packer = None
        if "zstdDictionary" in query and self._dictionary is not None:
            packer = ZstdDict(self._dictionary)
        sent = 0
        try:
            while True:
                async with self._more:
                    await self._more.wait_for(lambda at=at: len(self._frames) > at or self._server is None)  # type: ignore[misc]
                if self._server is None:
                    return
                chosen = self._frames[at : at + _AT_ONCE]
                encoded = [json.dumps(self._framed(frame, seq)) for seq, frame in enumerate(chosen, at)]
                at += len(chosen)
                async for message in self.faults.over(encoded, at):
                    await connection.send(message if packer is None else _packed(message, packer))
                    sent += 1
                    if self.faults.drop_every and sent % self.faults.drop_every == 0:
                        connection.transport.abort()
                        return
        except ConnectionClosed:
            pass

    def _framed(self, frame: dict[str, Any], seq: int) -> dict[str, Any]:
        if self._version == 1:
            return frame
        seconds, micro = divmod(frame["time_us"], 1_000_000)
        stamp = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        payload: dict[str, Any] = {
            "$type": f"network.bsky.jetstream.subscribeEvents#{frame['kind']}",
            "seq": seq,
            "did": frame["did"],
            "time": stamp,
            "witnessedAt": stamp,
        }
        payload |= frame["commit"] if frame["kind"] == "commit" else {frame["kind"]: frame.get(frame["kind"], {})}
        return {"$type": "message", "payload": payload}


def _packed(message: str | bytes, dictionary: ZstdDict) -> bytes:
    raw = message.encode() if isinstance(message, str) else message
    return ZstdCompressor(zstd_dict=dictionary).compress(raw, ZstdCompressor.FLUSH_FRAME)
