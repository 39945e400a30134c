"""Who is behind an address of the fediverse: name@server, and the key that signs."""

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from agents.bounded import trim
from agents.fetching import Fetcher, FetchError
from pipeline.clock import Clock, system_clock

_ACCEPT: Final = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
_NAMED: Final = re.compile(r"/(?:users/|@)([A-Za-z0-9_.-]+)(?:/|$)")
"""Mastodon's addresses, and those of most others, have the name in them."""
_KEPT: Final = 20_000
_FRESH_MS: Final = 3_600_000
_RETRY_MS: Final = 300_000
"""A key may have been renewed; what could not be fetched may be there again."""


class _Key(msgspec.Struct):
    publicKeyPem: str = ""  # noqa: N815 - the wire's name
    owner: str = ""


class Document(msgspec.Struct):
    """An actor or a note, as far as it matters."""

    id: str = ""
    preferredUsername: str = ""  # noqa: N815 - the wire's name
    publicKey: _Key | None = None  # noqa: N815 - the wire's name
    attributedTo: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815 - the wire's name


_document = msgspec.json.Decoder(Document).decode


class People:
    """Looks people up: in their addresses where the name stands there, else at their servers; remembers for an hour."""

    def __init__(self, fetcher: Fetcher, *, clock: Clock = system_clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._documents: dict[str, tuple[Document | None, int]] = {}

    async def user(self, url: str) -> str | None:
        """Return the user at an actor's address, or None."""
        named = _named(url)
        if named is not None:
            return named
        found = await self._fetch(url)
        return _user(found.preferredUsername, url) if found and found.preferredUsername else None

    async def author(self, url: str) -> str | None:
        """Return who wrote what is at an address, or None."""
        named = _named(url)
        if named is not None:
            return named
        found = await self._fetch(url)
        if found is None:
            return None
        try:
            owner = msgspec.json.decode(found.attributedTo)
        except msgspec.MsgspecError:
            return None
        owner = owner[0] if isinstance(owner, list) and owner else owner
        owner = owner.get("id") if isinstance(owner, dict) else owner
        # A server speaks for its own people only.
        return await self.user(owner) if isinstance(owner, str) and _host(owner) == _host(url) else None

    async def key(self, key_id: str, *, renewed: bool = False) -> tuple[str, str] | None:
        """
        Return the actor whose key it is, and the key in PEM, or None.

        Args:
            key_id: The address of the key, within its owner's document.
            renewed: The remembered one did not fit: ask again, if that was not just done.
        """
        url = key_id.partition("#")[0]
        found = await self._fetch(url, _RETRY_MS if renewed else _FRESH_MS)
        if found is None or found.publicKey is None or _host(found.publicKey.owner) != _host(url):
            return None
        return found.publicKey.owner, found.publicKey.publicKeyPem

    async def _fetch(self, url: str, fresh_ms: int = _FRESH_MS) -> Document | None:
        now = self._clock()
        held = self._documents.get(url)
        if held is not None and now - held[1] < (fresh_ms if held[0] is not None else _RETRY_MS):
            return held[0]
        try:
            found: Document | None = _document(await self._fetcher.get(url, _ACCEPT))
        except (FetchError, msgspec.MsgspecError, UnicodeError, RecursionError):
            found = None
        self._documents[url] = (found, now)
        trim(self._documents, _KEPT)
        return found


def _named(url: str) -> str | None:
    host, path = _parts(url)
    match = _NAMED.search(path) if host else None
    return _user(match[1], url) if match else None


def _user(name: str, url: str) -> str | None:
    host = _host(url)
    return f"mastodon:{name.lower()}@{host}" if host and len(name) + len(host) < 200 else None


def _host(url: str) -> str:
    return _parts(url)[0]


def _parts(url: str) -> tuple[str, str]:
    """Return host and path of a web address; nothing of what is none."""
    try:
        address = urlsplit(url)
    except ValueError:
        return "", ""
    return (
        (address.netloc.rpartition("@")[2].lower(), address.path) if address.scheme in {"http", "https"} else ("", "")
    )
