"""What a request holds: JSON, or an Atom feed in the same shape."""

from typing import Final
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

_DEEPEST: Final = 12
"""Elements within each other: a feed has four."""


class BodyError(Exception):
    """A body is neither JSON nor a feed."""


def decode(body: bytes) -> object:
    """
    Return what a body holds, of any shape.

    A feed is `{"feed": {"entry": [..]}}`: names without namespaces, a text where an element holds only that, its
    attributes where it holds nothing.

    Raises:
        BodyError: It is neither JSON nor a feed.
    """
    try:
        if body.lstrip()[:1] == b"<":
            root: Element = fromstring(body, forbid_dtd=True)
            return {_name(root): _plain(root, _DEEPEST)}
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as exc:
        raise BodyError from exc


def _plain(element: Element, depth: int) -> object:
    if not len(element):
        text = (element.text or "").strip()
        return text or {_local(name): value for name, value in element.attrib.items()}
    held: dict[str, object] = {_local(name): value for name, value in element.attrib.items()}
    if depth == 0:
        return held
    for child in element:
        name, value = _name(child), _plain(child, depth - 1)
        before = held.get(name)
        if before is None:
            held[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            held[name] = [before, value]
    return held


def _name(element: Element) -> str:
    return _local(str(element.tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
