"""What the headers of every answer say: the browser's safeguards, and which origins may read."""

from collections.abc import Iterable
from typing import Any, Final

from litestar.types import Message, Send

_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_CSP: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
"""For documents that load nothing; a page brings its own."""
_DOCS_CSP: Final = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
"""The documentation page has its style within, and no script."""
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")

_METHODS: Final = b"GET, POST, PUT, DELETE, OPTIONS"
_ALLOWED: Final = b"Authorization, Content-Type, Last-Event-ID, If-None-Match"
_PREFLIGHT_S: Final = b"600"


class Headers:
    """Adds headers to answers. No origin may read across, unless it is named."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.strip().rstrip("/").encode() for origin in origins if origin.strip())

    def wrap(self, send: Send, *, origin: bytes | None, is_docs: bool, is_tls: bool) -> Send:
        """Return a `send` that adds the headers."""
        added = [*_SAFE, *self._cors(origin)]
        if is_tls:
            added.append(_HSTS)

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Any = message["headers"]
                has_csp = any(name.lower() == _CSP[0] for name, _ in headers)
                message["headers"] = [*headers, *added, *([] if has_csp else [_DOCS_CSP if is_docs else _CSP])]
            await send(message)

        return wrapped

    def allows(self, origin: bytes | None) -> bool:
        """Tell whether scripts of an origin may read answers."""
        return origin is not None and (origin in self._origins or b"*" in self._origins)

    def _cors(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        if not self.allows(origin) or origin is None:
            return [vary]
        # Never with credentials: keys travel in a header that scripts must set, cookies do not exist.
        exposed = (b"access-control-expose-headers", b"ETag, Retry-After, Clout-Stale-Seconds")
        return [(b"access-control-allow-origin", origin), exposed, vary]


async def answer_preflight(send: Send) -> None:
    """Answer the question whether a script may send a request."""
    await send(
        {
            "type": "http.response.start",
            "status": 204,
            "headers": [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ALLOWED),
                (b"access-control-max-age", _PREFLIGHT_S),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})
