"""
What stands before the application: answers that need nothing of it, and what every answer must say.

A look-up of a hot document is answered here, with the very answer that `get_user` gives, at a third of the cost.
Answers say `Clout-Stale-Seconds` while something may be missing from them: the sink lags, or Kafka is away.
"""

from typing import Any, Final
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.lookup.api.documents import CACHE_CONTROL, etag, is_matched
from pipeline.lookup.api.paths import fold_users
from pipeline.lookup.api.state import Service
from pipeline.lookup.documents import Document

STALE_HEADER: Final = "Clout-Stale-Seconds"

_LOOK_UP: Final = b"/v1/users/"


def front(app: ASGIApp, service: Service) -> ASGIApp:
    """Wrap the application."""
    folding = fold_users(app)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope
        if request["type"] != "http":
            await folding(scope, receive, send)
            return
        stale = service.freshness.stale()
        if stale is not None:
            send = _marking(send, stale)
        document = _hot(request, service)
        if document is None:
            await folding(scope, receive, send)
        else:
            await _answer(request, document, send)

    return wrapped


def _hot(request: Any, service: Service) -> Document | None:
    path: bytes | None = request.get("raw_path")
    if path is None or request["method"] != "GET" or not path.startswith(_LOOK_UP):
        return None
    # Where more than the id follows, this finds nothing: no id that is kept holds a slash unencoded.
    segment = path[len(_LOOK_UP) :].partition(b"?")[0]
    return None if b"/" in segment else service.documents.hot(unquote(segment.decode("latin-1")))


async def _answer(request: Any, document: Document, send: Send) -> None:
    tag = etag(document.version).encode()
    headers = [(b"etag", tag), (b"cache-control", CACHE_CONTROL.encode())]
    condition = next((value for name, value in request["headers"] if name == b"if-none-match"), None)
    if condition is not None and is_matched(condition.decode("latin-1"), tag.decode()):
        status, body = 304, b""
    else:
        status, body = 200, document.content
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _marking(send: Send, stale: str) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (STALE_HEADER.lower().encode(), stale.encode())]
        await send(message)

    return marked
