"""
What stands before the application: answers that need nothing of it, and what every answer must say.

A look-up of a hot document, or of its score, is answered here: the very answer of its handler, at a third of the cost.
Answers say `Clout-Stale-Seconds` while something may be missing from them: the sink lags, or Kafka is away.
Answers that may be kept have an ETag.
"""

from typing import Any, Final
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.lookup.api.conditional import Conditional
from pipeline.lookup.api.documents import CACHE_CONTROL, etag, is_matched, score_content
from pipeline.lookup.api.paths import fold_users
from pipeline.lookup.api.state import Service

STALE_HEADER: Final = "Clout-Stale-Seconds"

_LOOK_UP: Final = b"/v1/users/"
_SCORE: Final = b"/score"


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
        if request["method"] != "GET":
            await folding(scope, receive, send)
            return
        if_none_match = _if_none_match(request)
        hot = _hot(request, service)
        if hot is None:
            await folding(scope, receive, Conditional(send, if_none_match))
        else:
            await _answer(*hot, if_none_match, send)

    return wrapped


def _hot(request: Any, service: Service) -> tuple[str, bytes] | None:
    """Return ETag and body of a look-up that can be answered from memory."""
    path: bytes | None = request.get("raw_path")
    if path is None or not path.startswith(_LOOK_UP):
        return None
    segment = path[len(_LOOK_UP) :].partition(b"?")[0]
    is_score = segment.endswith(_SCORE)
    if is_score:
        segment = segment[: -len(_SCORE)]
    # An id that holds a slash unencoded, or another resource of a user.
    if b"/" in segment:
        return None
    document = service.documents.hot(unquote(segment.decode("latin-1")))
    if document is None:
        return None
    return etag(document.version), score_content(document) if is_score else document.content


async def _answer(tag: str, body: bytes, if_none_match: str | None, send: Send) -> None:
    status = 200
    headers = [(b"etag", tag.encode()), (b"cache-control", CACHE_CONTROL.encode())]
    if if_none_match is not None and is_matched(if_none_match, tag):
        status, body = 304, b""
    else:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _if_none_match(request: Any) -> str | None:
    for name, value in request["headers"]:
        if name == b"if-none-match":
            condition: str = value.decode("latin-1")
            return condition
    return None


def _marking(send: Send, stale: str) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (STALE_HEADER.lower().encode(), stale.encode())]
        await send(message)

    return marked
