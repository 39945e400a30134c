"""Fetching what strangers name: only from addresses of the internet, never from this network, and nothing long."""

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

import httpcore

_LONGEST: Final = 262_144
"""Bytes: profiles and posts are a tenth of that."""
_TIMEOUT_S: Final = 5.0
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


_REDIRECTS: Final = {301, 302, 303, 307, 308}


class FetchError(Exception):
    """It cannot, or must not, be fetched."""


class ForbiddenError(FetchError):
    """It must not be fetched: not now, and not later."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at an address."""

    status: int
    url: str
    """Where it was in the end."""
    content_type: str
    body: bytes


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
            raise ForbiddenError(f"{host} is in a private network")
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def is_global(address: str) -> bool:
    """Tell whether an address belongs to the internet, and not to a network of its own."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return bool(ip.is_global and not ip.is_multicast and (inner is None or inner.is_global))


class Fetcher:
    """Fetches with GET over https, from addresses of the internet alone, wherever it is led."""

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
        Return what is at an address; a redirect is not followed.

        Raises:
            FetchError: Nothing is, it is too long or too slow, or the address is one that must not be asked.
        """
        fetched = await self.fetch(url, accept)
        if fetched.status != 200:
            raise FetchError(f"{urlsplit(url).hostname} answers {fetched.status}")
        return fetched.body

    async def fetch(self, url: str, accept: str, *, redirects: int = 0, longest: int = _LONGEST) -> Fetched:
        """
        Return what is at an address, whatever its server answers.

        Args:
            url: The address.
            accept: The media types that are wanted.
            redirects: How many are followed; each is checked as the address itself is.
            longest: Bytes that are read at most.

        Raises:
            FetchError: There is no answer, or one that is too long or too slow.
            ForbiddenError: The address, or one that it leads to, is one that must not be asked.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                for _ in range(redirects + 1):
                    fetched, location = await self._ask(self._checked(url), accept, longest)
                    if fetched.status not in _REDIRECTS or not location or not redirects:
                        return fetched
                    url = urljoin(url, location)
                raise ForbiddenError(f"{url[:200]}: more than {redirects} redirects")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, OSError) as exc:
            raise FetchError(f"{url[:200]}: {str(exc) or type(exc).__name__}") from exc
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as exc:
            raise ForbiddenError(f"{url[:200]} is no address") from exc

    async def close(self) -> None:
        """Disconnect."""
        await self._pool.aclose()

    def _checked(self, url: str) -> str:
        address = urlsplit(url)
        allowed = {"https", "http"} if address.hostname in self._private else {"https"}
        if address.scheme not in allowed or not address.hostname or address.username is not None:
            raise ForbiddenError(f"{url[:200]} is no https address")
        return urldefrag(url).url

    async def _ask(self, url: str, accept: str, longest: int) -> tuple[Fetched, str]:
        headers = [("Accept", accept), ("User-Agent", "clout")]
        async with self._pool.stream("GET", url, headers=headers) as answer:
            said = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
            body = await _read(answer, longest) if answer.status == 200 else b""
            return Fetched(answer.status, url, said.get(b"content-type", ""), body), said.get(b"location", "")


async def _read(answer: httpcore.Response, longest: int) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > longest:
            raise ForbiddenError("the answer is too long")
        parts.append(part)
    return b"".join(parts)
