"""
What a page says of an address that it links to, by its microformats (microformats.org/wiki/h-entry).

| property of the entry | kind |
|---|---|
| u-repost-of | share |
| u-like-of, u-bookmark-of | like |
| u-in-reply-to | comment |
| none of these, but a link | share: a link from another site carries the page on |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast
from urllib.parse import urljoin

import mf2py
from bs4 import BeautifulSoup

from agents.limits import TEXT_LIMIT
from agents.webmention.addresses import host_of, is_same
from schemas import Kind

_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("repost-of", "share"),
    ("like-of", "like"),
    ("bookmark-of", "like"),
    ("in-reply-to", "comment"),
)
_LINKS: Final = ("href", "src", "data", "poster")
_DEEPEST: Final = 6
"""Items within each other: a feed, an entry, what it cites, its author."""

_Item = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a page, as its h-card says."""

    name: str | None = None
    url: str | None = None
    photo: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """What a page says of an address."""

    kind: Kind
    author: Author
    published: int | None = None
    """Unix ms."""


def read(html: bytes, url: str, target: str) -> Mention | None:
    """
    Return what the page at `url` says of `target`, or None where it has no link to it.

    Raises:
        Exception: The page is too strange for the parsers.
    """
    soup = BeautifulSoup(html, "html.parser")
    if not any(is_same(link, target) for link in _links(soup, url)):
        return None
    found = list(_entries(mf2py.parse(doc=soup, url=url), _DEEPEST))
    for name, kind in _KINDS:
        for entry in found:
            if any(is_same(link, target) for link in _urls(entry, name)):
                return Mention(kind, _author(entry, url), _published(entry))
    entry = found[0] if found else {}
    return Mention("share", _author(entry, url), _published(entry))


def _links(soup: BeautifulSoup, url: str) -> Iterator[str]:
    base = soup.find("base", href=True)
    root = urljoin(url, str(base["href"])) if base is not None else url
    for element in soup.find_all(lambda tag: any(name in tag.attrs for name in _LINKS)):
        for name in _LINKS:
            value = element.get(name)
            if isinstance(value, str):
                try:
                    yield urljoin(root, value.strip())
                except ValueError:
                    continue


def _entries(item: _Item, depth: int) -> Iterator[_Item]:
    """Yield the entries of a page, the outermost first."""
    for child in (*_list(item.get("items")), *_list(item.get("children"))):
        if not isinstance(child, Mapping):
            continue
        if "h-entry" in _list(child.get("type")):
            yield child
        if depth:
            yield from _entries(child, depth - 1)


def _urls(item: _Item, name: str) -> Iterator[str]:
    for value in _property(item, name):
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _urls(value, "url")
            if isinstance(value.get("value"), str):
                yield str(value["value"])


def _author(entry: _Item, url: str) -> Author:
    """Return the author, where the page may speak for them: a site says who its own people are."""
    card = next(iter(_property(entry, "author")), None)
    if isinstance(card, str):
        return Author(name=card[:TEXT_LIMIT] if not host_of(card) else None)
    if not isinstance(card, Mapping):
        return Author()
    name = next((text for text in _property(card, "name") if isinstance(text, str)), None)
    link = next(_urls(card, "url"), None)
    if link is not None and host_of(link) != host_of(url):
        return Author()
    photo = next(_urls(card, "photo"), None)
    return Author(name[:TEXT_LIMIT] or None if name else None, _short(link), _short(photo))


def _published(entry: _Item) -> int | None:
    text = next((text for text in _property(entry, "published") if isinstance(text, str)), "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def _property(item: _Item, name: str) -> list[object]:
    properties = item.get("properties")
    return _list(properties.get(name)) if isinstance(properties, Mapping) else []


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _short(url: str | None) -> str | None:
    return url if url is not None and host_of(url) and len(url) <= TEXT_LIMIT else None
