"""ETags for answers that carry no version: a digest of the body, and 304 for a client that has it."""

from typing import Any, Final

import xxhash
from litestar.types import Message, Send

from pipeline.lookup.api.documents import is_matched

_BODY_HEADERS: Final = frozenset({b"content-type", b"content-length"})


class Conditional:
    """
    A `send` that adds the ETag to an answer that may be kept, and leaves out a body that the client has.

    Answers that have an ETag, may not be kept or come in pieces pass as they are.
    """

    def __init__(self, send: Send, if_none_match: str | None) -> None:
        self._send: Any = send
        self._if_none_match = if_none_match
        self._start: Any = None

    async def __call__(self, message: Message) -> None:
        """Send a message, or keep the head until the body is there."""
        if message["type"] == "http.response.start" and _may_be_kept(message):
            self._start = message
            return
        if self._start is not None and message["type"] == "http.response.body":
            start, self._start = self._start, None
            if message.get("more_body"):
                await self._send(start)
            else:
                await self._answer(start, message)
                return
        await self._send(message)

    async def _answer(self, start: Any, body: Any) -> None:
        tag = f'"{xxhash.xxh3_64_hexdigest(body["body"])}"'
        headers = [*start["headers"], (b"etag", tag.encode())]
        if self._if_none_match is not None and is_matched(self._if_none_match, tag):
            kept = [header for header in headers if header[0] not in _BODY_HEADERS]
            await self._send({**start, "status": 304, "headers": kept})
            await self._send({**body, "body": b""})
            return
        await self._send({**start, "headers": headers})
        await self._send(body)


def _may_be_kept(start: Any) -> bool:
    headers = dict(start["headers"])
    return (
        start["status"] == 200 and b"etag" not in headers and headers.get(b"cache-control", b"").startswith(b"public")
    )
