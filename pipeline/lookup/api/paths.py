"""
Paths that hold user ids.

An id may itself hold slashes, colons and percent signs (`mastodon:https://host/users/x`).
A client that percent-encodes it as one segment is always understood.
One that does not is understood too, unless the id ends with the name of a resource of users.
"""

from typing import Any, Final
from urllib.parse import quote, unquote

from litestar.types import ASGIApp, Receive, Scope, Send

_PREFIXES: Final = ("/v1/users/", "/v1/overrides/", "/v1/forgotten/")
_RESOURCES: Final = frozenset({"score", "explain", "influencers", "influencees", "history", "moments"})


def folded(raw_path: str) -> str | None:
    """
    Return a path with the user id folded to one segment, still percent-encoded, or None for other paths.

    Doubly encoded, in fact: routing decodes nothing, so that `user_of` gets exactly what is folded here.
    """
    prefix = next((prefix for prefix in _PREFIXES if raw_path.startswith(prefix)), None)
    if prefix is None:
        return None
    head, _, tail = raw_path[len(prefix) :].rpartition("/")
    if head and tail in _RESOURCES:
        return f"{prefix}{quote(unquote(head), safe='')}/{tail}"
    user = unquote(raw_path[len(prefix) :])
    return prefix + quote(user, safe="") if user else None


def user_of(segment: str) -> str:
    """Return the user id of a segment that `folded` wrote."""
    return unquote(segment)


def fold_users(app: ASGIApp) -> ASGIApp:
    """Wrap an app so that each user id arrives as one segment of the path."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope
        if request["type"] == "http" and (path := folded(_raw_path(request))) is not None:
            # The path as it was asked for, for messages.
            request = {**request, "clout_path": request["path"], "path": path}
        await app(request, receive, send)

    return wrapped


def _raw_path(scope: Any) -> str:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("ascii", "replace").partition("?")[0]
