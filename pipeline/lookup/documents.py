"""
Hot documents: score documents kept in the process, right up to the stream of changes.

What is kept is dropped as soon as the hub has read that it was replaced, before any subscriber is told.
Nothing is served from here while the hub does not follow, or while Redis is being filled without telling changes.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pipeline.lookup.stream import Entry

_KEPT: Final = 20_000
"""Documents: some 25 MB."""

# JSON escapes quotes inside strings: this finds the field itself.
_VERSION = re.compile(rb'"version":\s*(\d+)')


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document and the version that it carries, 0 when it carries none."""

    content: bytes
    version: int

    @classmethod
    def of(cls, content: bytes) -> "Document":
        """Return a document of what is stored."""
        match = _VERSION.search(content)
        return cls(content, int(match[1]) if match else 0)


@dataclass(slots=True)
class _Reads:
    """The reads of one document that began since its last change."""

    count: int = 0


class Documents:
    """
    Reads score documents, from memory where that is right.

    Args:
        read: Reads a user's document from Redis; raises `StoreUnavailableError`.
        is_current: Whether all changes were noted here, but for the delay of the stream.
    """

    def __init__(self, read: Callable[[str], Awaitable[bytes | None]], is_current: Callable[[], bool]) -> None:
        self._read = read
        self._is_current = is_current
        self._kept: dict[str, Document] = {}
        self._reads: dict[str, _Reads] = {}

    def hot(self, user: str) -> Document | None:
        """Return a user's document when it is kept and right."""
        document = self._kept.get(user)
        return document if document is not None and self._is_current() else None

    async def get(self, user: str) -> Document | None:
        """
        Return a user's document, or None.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        return self.hot(user) or await self._fetch(user)

    async def _fetch(self, user: str) -> Document | None:
        reads = self._reads.setdefault(user, _Reads())
        reads.count += 1
        try:
            content = await self._read(user)
            if content is None:
                return None
            document = Document.of(content)
            # Not when a change came meanwhile: what was read may be what it replaced.
            if self._reads.get(user) is reads:
                self._keep(user, document)
            return document
        finally:
            reads.count -= 1
            if not reads.count and self._reads.get(user) is reads:
                del self._reads[user]

    def _keep(self, user: str, document: Document) -> None:
        kept = self._kept.get(user)
        if kept is not None and kept.version >= document.version:
            return
        if kept is None and len(self._kept) >= _KEPT:
            # The one kept longest: when it is hot it is soon back.
            del self._kept[next(iter(self._kept))]
        self._kept[user] = document

    def saw(self, user: str, content: bytes) -> None:
        """Note a document that was read past this: whoever has seen it must not get an older one from here."""
        kept = self._kept.get(user)
        if kept is not None and kept.content != content:
            self._keep(user, Document.of(content))

    def note(self, entry: Entry) -> None:
        """Drop what an entry of the stream of changes replaces."""
        if entry.kind == "reset":
            self.clear()
            return
        self._kept.pop(entry.user, None)
        self._reads.pop(entry.user, None)

    def clear(self) -> None:
        """Drop everything: changes may have been missed."""
        self._kept.clear()
        self._reads.clear()
