"""
Where deliveries may go: to the public internet, by TLS, and nowhere else unless the deployment names a network.

A name is resolved once, the address is checked, and that very address is connected to: a name that changes its address
in between gains nothing. TLS still checks the certificate against the name. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from pipeline.lookup.access.addresses import Address, Network, is_within, parse_address

_PUBLIC_PORTS: Final = (443, 8443)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_CONNECT_S: Final = 5.0

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From a name and a port to addresses."""


class EgressError(Exception):
    """A delivery may not go there."""


def url_flaw(url: str, allowed: Sequence[Network]) -> str | None:
    """Return why deliveries cannot go to a URL, as far as the text alone tells, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return str(exc)
    if not url.isascii() or any(character.isspace() for character in url):
        return "spaces and letters beyond ASCII must be encoded"
    if parts.scheme not in (("https", "http") if allowed else ("https",)):
        return "expected https://"
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        return "expected a host, and neither a user nor a fragment"
    address = parse_address(parts.hostname)
    if address is not None and not _may_reach(address, port or 443, allowed, is_tls=parts.scheme == "https"):
        return "this is no public address"
    return None


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked."""

    def __init__(self, allowed: Sequence[Network], *, is_tls: bool, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._is_tls = is_tls
        self._resolve = resolve or _resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the backend's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """
        Resolve, check, connect.

        Raises:
            EgressError: None of the addresses may be reached.
        """
        try:
            async with asyncio.timeout(_CONNECT_S):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError) as exc:
            raise EgressError(f"{host} has no address: {exc}") from exc
        addresses = [address for text in found if (address := parse_address(text)) is not None]
        public = [each for each in addresses if _may_reach(each, port, self._allowed, is_tls=self._is_tls)]
        if not public:
            raise EgressError(f"{host} is no public address, or port {port} is none that is delivered to")
        return await self._inner.connect_tcp(str(public[0]), port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _may_reach(address: Address, port: int, allowed: Sequence[Network], *, is_tls: bool) -> bool:
    if is_within(address, allowed):
        return True
    return is_tls and port in _PUBLIC_PORTS and _is_public(address)


def _is_public(address: Address) -> bool:
    """Tell whether an address is public, and so is an IPv4 address inside of it."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = address.sixtofour or (teredo[1] if teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None and not _is_public(inner):
            return False
    return address.is_global and not address.is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
