"""Errors as RFC 9457 problem documents."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.types import ExceptionHandlersMap

from pipeline.errors import BrokerUnavailableError, StoreUnavailableError
from pipeline.logs import get_logger
from pipeline.lookup.access.refusals import Refusal

log = get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER_S: Final = 1

AnyRequest = Request[Any, Any, Any]


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    instance: str = ""
    """The path that was asked for."""
    errors: list[FieldError] = []


class InvalidFieldError(Exception):
    """A field of a request cannot be used."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class InvalidFieldsError(Exception):
    """Several fields of a request cannot be used."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(f"{errors[0].field}: {errors[0].reason}")
        self.errors = errors


class UnsupportedMediaError(Exception):
    """The body is of a kind that is not taken."""


class NotFoundError(Exception):
    """There is no such thing, or it is not the caller's: from outside that is the same."""


class UnknownUserError(Exception):
    """No score is known for a user."""

    def __init__(self, user: str) -> None:
        super().__init__(f"nothing is known of {user!r}")


def _respond(request: AnyRequest, problem: Problem, headers: dict[str, str] | None = None) -> Response[bytes]:
    document = msgspec.structs.replace(problem, instance=request.scope.get("clout_path", request.scope["path"]))
    return Response(
        content=msgspec.json.encode(document),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def problem_of(exc: InvalidFieldError | StoreUnavailableError) -> Problem:
    """Return what a client is told of an error."""
    if isinstance(exc, InvalidFieldError):
        return Problem("Bad Request", 400, str(exc), errors=[FieldError(exc.field, exc.reason)])
    return Problem("Service Unavailable", 503, "scores cannot be read now: try again")


def _invalid_field(request: AnyRequest, exc: InvalidFieldError) -> Response[bytes]:
    return _respond(request, problem_of(exc))


def _unknown_user(request: AnyRequest, exc: UnknownUserError) -> Response[bytes]:
    return _respond(request, Problem("Not Found", 404, str(exc), errors=[FieldError("user", str(exc))]))


def _invalid_fields(request: AnyRequest, exc: InvalidFieldsError) -> Response[bytes]:
    return _respond(request, Problem("Bad Request", 400, str(exc), errors=exc.errors))


def _unsupported_media(request: AnyRequest, exc: UnsupportedMediaError) -> Response[bytes]:
    return _respond(request, Problem("Unsupported Media Type", 415, str(exc)))


def _not_found(request: AnyRequest, exc: NotFoundError) -> Response[bytes]:
    return _respond(request, Problem("Not Found", 404, str(exc)))


def _refusal(request: AnyRequest, exc: Refusal) -> Response[bytes]:
    return _respond(request, Problem(exc.title, exc.status, str(exc)), exc.headers())


def _broker_unavailable(request: AnyRequest, exc: BrokerUnavailableError) -> Response[bytes]:
    log.warning("answered 503", reason=str(exc))
    problem = Problem("Service Unavailable", 503, "nothing can be written now: try again")
    return _respond(request, problem, {"Retry-After": str(_RETRY_AFTER_S)})


def _store_unavailable(request: AnyRequest, exc: StoreUnavailableError) -> Response[bytes]:
    log.warning("answered 503", reason=str(exc))
    return _respond(request, problem_of(exc), {"Retry-After": str(_RETRY_AFTER_S)})


def _http(request: AnyRequest, exc: HTTPException) -> Response[bytes]:
    errors = _field_errors(exc) if isinstance(exc, ValidationException) else []
    if not errors and isinstance(exc.__cause__, SerializationException | msgspec.DecodeError):
        errors = [FieldError("body", str(exc.__cause__))]
    detail = "; ".join(f"{error.field}: {error.reason}" for error in errors) or exc.detail
    return _respond(request, Problem(_title(exc.status_code), exc.status_code, detail, errors=errors), exc.headers)


def _field_errors(exc: ValidationException) -> list[FieldError]:
    found = exc.extra if isinstance(exc.extra, list) else []
    return [FieldError(str(entry.get("key", "body")), str(entry.get("message", ""))) for entry in found]


def _unexpected(request: AnyRequest, exc: Exception) -> Response[bytes]:
    log.error("request failed", path=request.scope["path"], exc_info=exc)
    return _respond(request, Problem("Internal Server Error", 500, "an error on this side, which was logged"))


def _title(status: int) -> str:
    return HTTPStatus(status).phrase


HANDLERS: Final[ExceptionHandlersMap] = {
    InvalidFieldError: _invalid_field,
    UnknownUserError: _unknown_user,
    InvalidFieldsError: _invalid_fields,
    UnsupportedMediaError: _unsupported_media,
    NotFoundError: _not_found,
    Refusal: _refusal,
    StoreUnavailableError: _store_unavailable,
    BrokerUnavailableError: _broker_unavailable,
    HTTPException: _http,
    Exception: _unexpected,
}
