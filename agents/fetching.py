"""Fetching what strangers name: only from addresses of the internet, never from this network, and nothing long."""

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import urlsplit

import httpcore

_LONGEST: Final = 262_144
"""Bytes: profiles and posts are a tenth of that."""
_TIMEOUT_S: Final = 5.0


class FetchError(Exception):
    """It cannot, or must not, be fetched."""


class _GlobalOnly(httpcore.AsyncNetworkBackend):
    """Connects to the very address that it has looked at: a second look-up could give another one."""

    def __init__(self, private: Collection[str]) -> None:
        self._private = private
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise FetchError(f"{host} is not known") from exc
        addresses = [str(entry[4][0]) for entry in found]
        if host not in self._private and not all(map(is_global, addresses)):
            raise FetchError(f"{host} is in a private network")
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def is_global(address: str) -> bool:
    """Tell whether an address belongs to the internet, and not to a network of its own."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return bool(ip.is_global and not ip.is_multicast and (inner is None or inner.is_global))


class Fetcher:
    """Fetches with GET over https; a redirect is not followed."""

    def __init__(self, private: Collection[str] = ()) -> None:
        """
        Fetch from the internet.

        Args:
            private: Hosts of one's own network that may be fetched from all the same, also without TLS.
        """
        self._private = private
        self._pool = httpcore.AsyncConnectionPool(network_backend=_GlobalOnly(private), max_connections=20)

    async def get(self, url: str, accept: str) -> bytes:
        """
        Return what is at an address.

        Raises:
            FetchError: Nothing is, it is too long or too slow, or the address is one that must not be asked.
        """
        try:
            address = urlsplit(url)
        except ValueError as exc:
            raise FetchError(f"{url[:200]} is no address") from exc
        allowed = {"https", "http"} if address.hostname in self._private else {"https"}
        if address.scheme not in allowed or not address.hostname or address.username is not None:
            raise FetchError(f"{url[:200]} is no https address")
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                self._pool.stream("GET", url, headers={"Accept": accept, "User-Agent": "clout"}) as answer,
            ):
                if answer.status != 200:
                    raise FetchError(f"{address.hostname} answers {answer.status}")
                return await _read(answer)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, OSError) as exc:
            raise FetchError(f"{address.hostname}: {str(exc) or type(exc).__name__}") from exc
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as exc:
            raise FetchError(f"{url[:200]} is no address") from exc

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.aclose()


async def _read(answer: httpcore.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > _LONGEST:
            raise FetchError("the answer is too long")
        parts.append(part)
    return b"".join(parts)
