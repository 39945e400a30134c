"""How every role connects to Redis."""

import math
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.lookup.deadline import within

AWAY: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    TryAgainError,
    OutOfMemoryError,
    OSError,
)
"""What a client sees while Redis is away, starts, fails over or is full: trying again may help."""


class _Told(AbstractConnection):
    """A connection that tells of a broken one as every other error of it is told, and packs in compiled code."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return a command as it goes over the wire; redis-py's own way takes ten times as long."""
        if " " in str(args[0]):
            return super().pack_command(*args)  # several words, as in CONFIG GET
        return [pack_command(args)]

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Send; uvloop raises a bare RuntimeError where the other side has reset the connection meanwhile."""
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as exc:
            raise RedisConnectionError(f"the connection was closed while writing: {exc}") from exc

    async def read_response(
        self,
        disable_decoding: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - redis-py's name
        **options: Any,
    ) -> Any:
        """Read; an answer that came while the loop stood still is not given up: the command would be sent twice."""
        if timeout is not None or self.socket_timeout is None:
            return await super().read_response(disable_decoding, timeout, **options)
        try:
            async with within(self.socket_timeout):
                return await super().read_response(disable_decoding, math.inf, **options)
        except TimeoutError as exc:
            raise RedisTimeoutError(f"no answer within {self.socket_timeout:g} s") from exc


class _Connection(_Told, Connection):
    """TCP."""


class _SSLConnection(_Told, SSLConnection):
    """TLS."""


class _UnixConnection(_Told, UnixDomainSocketConnection):
    """A socket of this machine."""


_CLASSES: Final[dict[str, type[AbstractConnection]]] = {
    "redis": _Connection,
    "rediss": _SSLConnection,
    "unix": _UnixConnection,
}

_CONNECTIONS: Final = 32


def connect(url: str, timeout_s: float) -> Redis:
    """
    Return a client that speaks in bytes and connects when it is first used.

    A command takes at most about twice `timeout_s`: one more attempt replaces a connection that a restart broke.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        # A flood of requests waits for a connection: it must neither fail nor open hundreds.
        max_connections=_CONNECTIONS,
        timeout=timeout_s,
        protocol=2,  # the same answers from every server and every client version
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError, RedisTimeoutError)),
    )
    pool.connection_class = _CLASSES[urlsplit(url).scheme]
    return Redis.from_pool(pool)


def redacted(url: str) -> str:
    """Return an address without its password, for messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    netloc = parts.netloc.replace(f":{parts.password}@", ":***@", 1)
    return urlunsplit(parts._replace(netloc=netloc))
