"""Why a request is refused before anything is done."""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - the root of what follows; it is an answer more than an error
    """A request that is not let in, with the HTTP status that says so."""

    status: ClassVar[int] = 403
    title: ClassVar[str] = "Forbidden"

    def headers(self) -> dict[str, str]:
        """Return what the answer's headers must say."""
        return {}


class UnauthorizedError(Refusal):
    """No key, or one that is not known, has expired or was revoked."""

    status = 401
    title = "Unauthorized"

    def headers(self) -> dict[str, str]:
        """Name the scheme, as HTTP wants it."""
        return {"WWW-Authenticate": 'Bearer realm="clout"'}


class ForbiddenError(Refusal):
    """The key may not do this."""


class LimitedError(Refusal):
    """Too many requests."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        """Say when to try again: whole seconds, as HTTP wants them."""
        return {"Retry-After": str(max(1, -int(-self.retry_after_s // 1)))}


class NotLoadedError(Refusal):
    """The keys have not been read yet: whether this one is good is not known."""

    status = 503
    title = "Service Unavailable"

    def headers(self) -> dict[str, str]:
        """Say when to try again."""
        return {"Retry-After": "1"}
