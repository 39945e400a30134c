"""Who sent a request."""

from dataclasses import dataclass
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from pipeline.lookup.access.refusals import ForbiddenError, UnauthorizedError
from pipeline.lookup.access.rules import rule_of
from schemas import ApiKey, Scope

_SCOPE_KEY: Final = "clout_caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """A key or nobody in particular, at an address."""

    address: str
    is_local: bool = False
    """Whether it is a program on this machine that calls, and no proxy for others."""
    key: ApiKey | None = None
    is_token: bool = False
    """Whether a short-lived token stood for the key: it can read, and nothing else."""

    @property
    def owner(self) -> str:
        """
        The id that private things of this caller belong to.

        Raises:
            UnauthorizedError: The caller has no key.
        """
        if self.key is None:
            raise UnauthorizedError("this needs an API key: Authorization: Bearer clout_..")
        return self.key.id

    def may(self, scope: Scope) -> bool:
        """Tell whether the caller's key has a scope; `admin` has all."""
        if self.key is None:
            return False
        return scope == "read" if self.is_token else scope in self.key.scopes or "admin" in self.key.scopes

    def require(self, scope: Scope) -> None:
        """
        Pass, or refuse.

        Raises:
            UnauthorizedError: The caller has no key.
            ForbiddenError: The key lacks the scope.
        """
        _ = self.owner
        if not self.may(scope):
            raise ForbiddenError(f"this key lacks the scope {scope}: create one with --scope {scope}")

    def may_publish(self, network: str) -> bool:
        """Tell whether the caller's key is bound to a network, or to none."""
        return self.key is not None and (self.key.networks is None or network in self.key.networks)


def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """
    Ask for what the rules do not name, once a handler was found: for the application's `guards`.

    Raises:
        Refusal: The caller has no key with the scope `admin`.
    """
    scope: Any = connection.scope
    rule = rule_of(scope.get("method", "GET"), scope["path"])
    if rule.is_fallback:
        caller_of(scope).require("admin")


def caller_of(scope: Any) -> Caller:
    """Return the caller whom the gate let in; nobody, where there is no gate."""
    caller = scope.get(_SCOPE_KEY)
    return caller if isinstance(caller, Caller) else Caller("")


def set_caller(scope: Any, caller: Caller) -> None:
    """Note the caller on an ASGI scope."""
    scope[_SCOPE_KEY] = caller
