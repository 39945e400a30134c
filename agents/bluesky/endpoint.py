"""What a Jetstream server speaks, and the address to listen at."""

import sys
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import httpx

from agents.bluesky.frames import NotAFrameError
from agents.bluesky.records import COLLECTIONS
from pipeline.errors import SourceUnavailableError
from pipeline.logs import get_logger

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdDict, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdDict, ZstdError

_XRPC: Final = "/xrpc/network.bsky.jetstream."
_TIMEOUT_S: Final = 10.0
_LONGEST: Final = 8 << 20
"""Bytes of an unpacked frame: nothing on the network is as long."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, and the version of the stream that it is asked for."""

    host: str
    """ws:// or wss://, without a path."""
    version: int
    dictionary: ZstdDict | None = None
    """What its frames are packed with."""

    def url(self, cursor: int | None) -> str:
        """Return the address of the stream from a time on, Unix microseconds; None is now."""
        when = [] if cursor is None else [("cursor", str(cursor))]
        if self.version == 1:
            wanted = [("wantedCollections", name) for name in COLLECTIONS]
            return f"{self.host}/subscribe?{urlencode(wanted + when)}"
        wanted = [("kinds", "commit"), ("kinds", "identity"), *(("collections", name) for name in COLLECTIONS)]
        packed = [("zstdDictionary", str(self.dictionary.dict_id))] if self.dictionary else []
        return f"{self.host}{_XRPC}subscribeEvents?{urlencode(wanted + packed + when)}"

    def unpack(self, message: bytes | str) -> bytes | str:
        """
        Return the frame in a message.

        Raises:
            NotAFrameError: It is packed in a way that this server did not announce.
        """
        if isinstance(message, str) or self.dictionary is None:
            return message
        try:
            unpacker = ZstdDecompressor(zstd_dict=self.dictionary)
            frame = unpacker.decompress(message, _LONGEST)
        except ZstdError as exc:
            raise NotAFrameError(str(exc)) from exc
        if not unpacker.eof:
            raise NotAFrameError("a packed frame that does not end")
        return frame


async def find(host: str) -> Endpoint:
    """
    Ask a server what it speaks: version 2 comes with a dictionary, and version 1 knows of none.

    Raises:
        SourceUnavailableError: The server does not answer.
    """
    base = host.replace("ws", "http", 1)
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            answer = await client.get(f"{base}{_XRPC}getZstdDictionary")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise SourceUnavailableError(f"{host}: {str(exc) or type(exc).__name__}") from exc
    if answer.status_code != httpx.codes.OK:
        # A server of version 2 without a dictionary names this error; one of version 1 does not know the question.
        return Endpoint(host, 2 if b"DictionaryNotFound" in answer.content else 1)
    try:
        return Endpoint(host, 2, ZstdDict(answer.content))
    except (ZstdError, ValueError) as exc:
        log.warning("the server's dictionary cannot be used: its frames come unpacked", server=host, reason=str(exc))
        return Endpoint(host, 2)
