"""Deliveries by HTTP: signed webhooks, Slack, Discord, Alertmanager."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpcore

from pipeline.clock import Clock
from pipeline.lookup.access.addresses import Network
from pipeline.lookup.delivery.delivery import Delivery
from pipeline.lookup.delivery.egress import CheckedBackend, EgressError, Resolve, url_flaw
from pipeline.lookup.delivery.outcome import Outcome
from pipeline.lookup.delivery.signing import signature_headers
from schemas import AlertmanagerChannel, DiscordChannel, SlackChannel, WebhookChannel

HttpChannel = WebhookChannel | SlackChannel | DiscordChannel | AlertmanagerChannel

_ATTEMPT_S: Final = 12.0
"""All of an attempt: longer than this a receiver does not think."""
_BODY_BYTES: Final = 8192
"""So much of an answer is read, and nothing of it is kept."""
_CONNECTIONS: Final = 800
"""A hundred receivers that hang, with eight deliveries each, delay nobody; fewer than 1,024, the usual open files."""


class HttpSender:
    """Sends by HTTP/1.1 to public addresses; to others where the deployment allows it."""

    def __init__(self, allowed: Sequence[Network], clock: Clock, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._clock = clock
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                max_connections=_CONNECTIONS,
                keepalive_expiry=5.0,
                network_backend=CheckedBackend(allowed, is_tls=scheme == "https", resolve=resolve),
            )
            for scheme in ("https", "http")
        }

    async def send(self, delivery: Delivery, channel: HttpChannel) -> Outcome:
        """Try once."""
        url = channel.url
        if isinstance(channel, AlertmanagerChannel):
            url = url.rstrip("/") + "/api/v2/alerts"
        flaw = url_flaw(url, self._allowed)
        if flaw is not None:
            return Outcome("retry", flaw)
        body = delivery.body.encode()
        headers = {"Content-Type": "application/json", "User-Agent": "clout"}
        if isinstance(channel, WebhookChannel):
            headers |= signature_headers(channel.secret, delivery.id, self._clock() // 1000, body)
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Outcome("retry", f"no answer within {_ATTEMPT_S:g} s")
        except (EgressError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as exc:
            return Outcome("retry", str(exc) or type(exc).__name__)

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        pool = self._pools[url.partition(":")[0]]
        async with pool.stream("POST", url, headers=list(headers.items()), content=body) as answer:
            read = 0
            async for piece in answer.aiter_stream():
                read += len(piece)
                if read > _BODY_BYTES:
                    break
            retry_after = next((value for name, value in answer.headers if name.lower() == b"retry-after"), None)
            return _judged(answer.status, retry_after)


def _judged(status: int, retry_after: bytes | None) -> Outcome:
    if 200 <= status < 300:
        return Outcome("delivered", f"{status}")
    if status == 410:
        return Outcome("gone", "410: the receiver wants no more")
    if 300 <= status < 400:
        return Outcome("retry", f"{status}: redirects are not followed")
    wait = float(retry_after) if retry_after and retry_after.isdigit() else None
    return Outcome("retry", f"{status}", wait)
