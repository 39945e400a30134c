"""Errors in the shapes that Klout's clients know."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from pipeline.errors import StoreUnavailableError
from pipeline.lookup.klout.shapes import Failure

AnyRequest = Request[Any, Any, Any]
Handler = Callable[[AnyRequest, Any], Response[Any]]

_PATHS: Final = re.compile(r"/(v2|1)/")
_RETRY_AFTER_S: Final = 1


class KloutError(Exception):
    """A request that Klout's API refuses."""

    def __init__(self, status: int, description: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.headers = headers or {}


class NobodyError(KloutError):
    """Nobody is known by that name, number or account."""

    def __init__(self, description: str = "The requested user is not known.") -> None:
        super().__init__(404, description)


def with_klout_shapes(handlers: ExceptionHandlersMap) -> ExceptionHandlersMap:
    """Return handlers that answer errors of Klout's paths in Klout's shapes, and all others as before."""
    by_type: dict[Any, Any] = {KloutError: _respond, **handlers}
    return {kind: _by_path(handler) for kind, handler in by_type.items()}


def _by_path(handler: Handler) -> Handler:
    def handle(request: AnyRequest, exc: Exception) -> Response[Any]:
        if _PATHS.match(request.scope["path"]):
            handler(request, exc)  # logs what must be logged
            return _respond(request, _translated(exc))
        return handler(request, exc)

    return handle


def _translated(exc: Exception) -> KloutError:
    if isinstance(exc, KloutError):
        return exc
    if isinstance(exc, StoreUnavailableError):
        return KloutError(503, "Scores cannot be read now. Try again.", {"Retry-After": str(_RETRY_AFTER_S)})
    if isinstance(exc, HTTPException):
        return KloutError(exc.status_code, exc.detail)
    return KloutError(500, "An error on this side, which was logged.")


def _respond(request: AnyRequest, exc: KloutError) -> Response[Any]:
    headers = {"Cache-Control": "no-store", **exc.headers}
    if exc.status == 404 and request.scope["path"].startswith("/1/"):
        # Version 1 answered so, and its clients look at the status alone.
        return Response(content=b"", status_code=404, media_type="text/html", headers=headers)
    return Response(
        content=msgspec.json.encode(Failure(exc.status, exc.description)),
        status_code=exc.status,
        media_type="application/json",
        headers=headers,
    )
