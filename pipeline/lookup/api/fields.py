"""Fields of requests: what they may be, and the error that names the one that is not."""

import math
from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, Parameter

from pipeline.clock import system_clock
from pipeline.lookup.api.paths import user_of
from pipeline.lookup.api.problems import InvalidFieldError, Problem
from pipeline.lookup.cursors import CursorCodec
from pipeline.lookup.stream import order
from schemas import is_user_id

T = TypeVar("T")

_USER_LIMIT: Final = 512
"""Characters of an id, as in the schemas."""
_USERS_LIMIT: Final = 1000
_AHEAD_MS: Final = 86_400_000
"""Ids of events begin with the time of Redis, whose clock may be another one. An id of a lost stream gets a reset."""

UserSegment = Annotated[str, Parameter(description="The id of a user, `network:native-id`, percent-encoded.")]
IfNoneMatch = Annotated[str | None, HeaderParameter(name="If-None-Match", description="The ETag that the client has.")]
Limit = Annotated[int, Parameter(ge=1, le=200, description="Entries at most.")]
Network = Annotated[str | None, Parameter(min_length=1, max_length=512, description="Only this network.")]
Cursor = Annotated[str | None, Parameter(max_length=8192, description="`next` of the page before.")]

PROBLEMS: Final = {
    400: ResponseSpec(Problem, description="A field of the request cannot be used."),
    503: ResponseSpec(Problem, description="Redis is away: try again."),
}
KEY_PROBLEMS: Final = {
    **PROBLEMS,
    401: ResponseSpec(Problem, description="No API key, or one that is not known, has expired or was revoked."),
    403: ResponseSpec(Problem, description="The key lacks the scope."),
    429: ResponseSpec(Problem, description="Too many requests: wait for Retry-After."),
}
USER_PROBLEMS: Final = {**PROBLEMS, 404: ResponseSpec(Problem, description="Nothing is known of this user.")}


def user_id(segment: str) -> str:
    """
    Return the user id that a path names.

    Raises:
        InvalidFieldError: It is none.
    """
    return checked_user("user", user_of(segment))


def checked_user(field: str, user: str) -> str:
    """
    Return `user` when it can be an id.

    Raises:
        InvalidFieldError: It cannot; `field` is named.
    """
    if len(user) > _USER_LIMIT:
        raise InvalidFieldError(field, f"an id has at most {_USER_LIMIT} characters")
    if not is_user_id(user) or any(ord(character) < 32 for character in user):
        raise InvalidFieldError(field, "expected network:native-id, for example github:torvalds")
    return user


def checked_users(given: Sequence[str] | None) -> frozenset[str] | None:
    """
    Return the ids in lists separated by commas; None when nothing is given.

    Raises:
        InvalidFieldError: There are none, too many, or one cannot be an id.
    """
    if given is None:
        return None
    wanted = frozenset(user for part in given for user in part.split(",") if user)
    if not 1 <= len(wanted) <= _USERS_LIMIT:
        raise InvalidFieldError("users", f"expected 1 to {_USERS_LIMIT} ids, got {len(wanted)}")
    return frozenset(checked_user("users", user) for user in wanted)


def checked_network(network: str | None) -> str | None:
    """
    Return the name of a network.

    Raises:
        InvalidFieldError: It is empty or too long.
    """
    if network is not None and not 1 <= len(network) <= _USER_LIMIT:
        raise InvalidFieldError("network", f"expected 1 to {_USER_LIMIT} characters")
    return network


def checked_number(field: str, text: str, least: float, greatest: float) -> float:
    """
    Return the number in a query that no framework has read.

    Raises:
        InvalidFieldError: It is none, or out of its range.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= greatest:
        raise InvalidFieldError(field, f"expected a number from {least:g} to {greatest:g}")
    return number


def checked_resume(field: str, entry_id: str | None) -> str | None:
    """
    Return the id of the event to resume behind; whether it is still retained, the stream tells by a reset.

    Raises:
        InvalidFieldError: It is none, or one that never was; `field` is named.
    """
    if entry_id is not None:
        try:
            time, _ = order(entry_id)
        except ValueError as exc:
            raise InvalidFieldError(field, str(exc)) from exc
        if time > system_clock() + _AHEAD_MS:
            raise InvalidFieldError(field, "there was no such event: its time has not come yet")
    return entry_id


def decode_cursor(codec: CursorCodec[T], cursor: str | None) -> T | None:
    """
    Read a cursor; None for the first page.

    Raises:
        InvalidFieldError: It is not one of this listing.
    """
    if cursor is None:
        return None
    try:
        return codec.decode(cursor)
    except ValueError as exc:
        raise InvalidFieldError("cursor", f"{exc}; begin without one") from exc
