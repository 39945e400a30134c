"""The gate: everything that arrives passes it before any handler sees it."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from pipeline.clock import Clock, system_clock
from pipeline.control.keytext import parse_key
from pipeline.control.table import ControlTable
from pipeline.errors import StoreUnavailableError
from pipeline.lookup.access.addresses import client_address, is_loopback, limit_name, parse_address, parse_networks
from pipeline.lookup.access.caller import Caller, set_caller
from pipeline.lookup.access.headers import Headers, answer_preflight
from pipeline.lookup.access.limits import Limiter
from pipeline.lookup.access.refusals import LimitedError, NotLoadedError, Refusal, UnauthorizedError
from pipeline.lookup.access.rules import Rule, is_metrics, rule_of
from pipeline.lookup.access.tokens import Tokens
from pipeline.lookup.api.problems import MEDIA_TYPE, Problem
from pipeline.settings import Settings
from schemas import ApiKey

_STREAMS_PER_KEY: Final = 1000
_STREAMS_PER_ADDRESS: Final = 100
"""Subscriptions that one may hold open; the address's counts where addresses are limited."""


class Gate:
    """Finds out who calls, whether that is allowed, and how often it was done."""

    def __init__(
        self, settings: Settings, table: ControlTable, limiter: Limiter, tokens: Tokens, clock: Clock = system_clock
    ) -> None:
        self._table = table
        self._limiter = limiter
        self._tokens = tokens
        self._clock = clock
        self._open_reads = settings.open_reads
        self._key_per_s = settings.key_requests_per_s
        self._address_per_s = settings.address_requests_per_s
        self._proxies = parse_networks("CLOUT_TRUSTED_PROXIES", settings.trusted_proxies)
        self._headers = Headers(settings.cors_origins.split(","))
        self._streams: Counter[str] = Counter()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return the app behind the gate."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            request: Any = scope
            if request["type"] == "lifespan":
                await app(scope, receive, send)
            else:
                await self._pass(app, request, receive, send)

        return gated

    async def admit_read(self, text: str | None, nobody: Caller) -> Caller:
        """
        Return the caller of a request that says its key otherwise than by a header, having counted the request.

        While reads are open, `nobody` (who has only an address) stands for a key that is not good.

        Raises:
            Refusal: The caller may not read, or is over the limit.
        """
        caller = replace(nobody, key=self._key_of(text) if text else None)
        await self._limit(caller)
        if not self._open_reads:
            caller.require("read")
        return caller

    async def _pass(self, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> None:
        given = _Given(scope)
        path: str = scope["path"]
        is_http = scope["type"] == "http"
        if is_http:
            is_tls = scope.get("scheme") == "https" or given.is_forwarded_tls
            send = self._headers.wrap(send, origin=given.origin, is_docs=path.startswith("/schema"), is_tls=is_tls)
        method = scope["method"] if is_http else "GET"
        if method == "OPTIONS" and given.is_preflight and self._headers.allows(given.origin):
            await answer_preflight(send)
            return
        rule = rule_of(method, path)
        try:
            caller = await self._admit(rule, given, scope)
        except (Refusal, StoreUnavailableError) as refusal:
            await _refuse(refusal, scope, send)
            return
        set_caller(scope, caller)
        if not rule.is_stream:
            await app(scope, receive, send)
            return
        name = _name(caller)
        self._streams[name] += 1
        try:
            await app(scope, receive, send)
        finally:
            self._streams[name] -= 1
            if not self._streams[name]:
                del self._streams[name]

    async def _admit(self, rule: Rule, given: "_Given", scope: Any) -> Caller:
        address = client_address(scope, given.forwarded, self._proxies)
        is_local = given.forwarded is None and is_loopback(address)
        if rule.scope is None:
            return Caller(address, is_local)
        caller = await self._caller(rule, given, scope, Caller(address, is_local))
        await self._limit(caller)
        is_open = self._open_reads and rule.is_public
        if not (is_open or rule.is_fallback or _reads_metrics(rule, given, address)):
            caller.require(rule.scope)
        if rule.is_stream:
            self._count_stream(caller)
        return caller

    async def _caller(self, rule: Rule, given: "_Given", scope: Any, nobody: Caller) -> Caller:
        if given.authorization is not None:
            scheme, _, text = given.authorization.partition(" ")
            key = self._key_of(text.strip()) if scheme.lower() == "bearer" else None
            if key is None:
                await self._limit(nobody)
                raise UnauthorizedError("this API key is not known here, has expired or was revoked")
            return replace(nobody, key=key)
        token = _token(scope) if rule.is_stream else None
        if token is not None:
            key_id = await self._tokens.key_of(token)
            key = None if key_id is None else self._valid(self._table.get(key_id, ApiKey))
            if key is None:
                raise UnauthorizedError("this token is not known or has expired: get a new one by POST /v1/tokens")
            return replace(nobody, key=key, is_token=True)
        return nobody

    def _key_of(self, text: str) -> ApiKey | None:
        given = parse_key(text)
        if given is None:
            return None
        key = self._valid(self._table.get(given.id, ApiKey))
        if key is None:
            if not self._table.is_complete:
                raise NotLoadedError("the keys are being read: try again")
            return None
        now = self._clock()
        # Every secret is compared, so that the time does not tell which one it was.
        matches = [given.matches(secret.hash) and (secret.expires or now + 1) > now for secret in key.secrets]
        return key if any(matches) else None

    def _valid(self, key: ApiKey | None) -> ApiKey | None:
        return None if key is None or (key.expires is not None and key.expires <= self._clock()) else key

    async def _limit(self, caller: Caller) -> None:
        if caller.key is None and caller.is_local:
            return
        per_s = self._address_per_s if caller.key is None else caller.key.requests_per_s or self._key_per_s
        if not per_s:
            return
        wait_s = await self._limiter.take(_name(caller), per_s)
        if wait_s:
            raise LimitedError(f"more than {per_s:g} requests a second: wait", wait_s)

    def _count_stream(self, caller: Caller) -> None:
        if caller.key is None and (caller.is_local or not self._address_per_s):
            return
        most = _STREAMS_PER_ADDRESS if caller.key is None else _STREAMS_PER_KEY
        if self._streams[_name(caller)] >= most:
            raise LimitedError(f"more than {most} open subscriptions: end some", 10.0)


class _Given:
    """The headers that the gate looks at, in one pass."""

    __slots__ = ("authorization", "forwarded", "is_forwarded_tls", "is_preflight", "origin")

    def __init__(self, scope: Any) -> None:
        self.authorization: str | None = None
        self.forwarded: str | None = None
        self.origin: bytes | None = None
        self.is_forwarded_tls = False
        self.is_preflight = False
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                before = f"{self.forwarded}," if self.forwarded else ""
                self.forwarded = before + value.decode("latin-1")
            elif name == b"origin":
                self.origin = value
            elif name == b"x-forwarded-proto":
                self.is_forwarded_tls = value == b"https"
            elif name == b"access-control-request-method":
                self.is_preflight = True


def _reads_metrics(rule: Rule, given: _Given, address: str) -> bool:
    """Tell whether Prometheus asks: from a private network, and not through a proxy from outside."""
    parsed = parse_address(address)
    return is_metrics(rule) and given.forwarded is None and parsed is not None and not parsed.is_global


def _name(caller: Caller) -> str:
    return caller.key.id if caller.key else f"address:{limit_name(caller.address)}"


def _token(scope: Any) -> str | None:
    found = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return found[0] if found else None


async def _refuse(refusal: Exception, scope: Any, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted: the server answers 403.
        await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)[:120]})
        return
    status, title, headers = 503, "Service Unavailable", {"Retry-After": "1"}
    if isinstance(refusal, Refusal):
        status, title, headers = refusal.status, refusal.title, refusal.headers()
    problem = Problem(title, status, str(refusal), instance=scope["path"])
    body = msgspec.json.encode(problem)
    names = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in names.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
