"""Answers as JSON, as JSONP for scripts in pages, or as XML."""

import re
from typing import Annotated, Any, Final
from xml.sax.saxutils import escape

import msgspec
from litestar import Response
from litestar.params import Parameter

from pipeline.lookup.klout.errors import KloutError

Callback = Annotated[str | None, Parameter(description="JSONP: the function that the answer calls.")]

_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$.\[\]]{0,127}")
_SINGULAR: Final = {"users": "user", "topics": "topic", "influencers": "influencer", "influencees": "influencee"}


def answer(content: Any, callback: str | None = None) -> Response[bytes]:
    """
    Return an answer of Klout's API.

    Raises:
        KloutError: `callback` cannot be the name of a function.
    """
    encoded = msgspec.json.encode(content)
    if callback is None:
        return _response(encoded, "application/json")
    if not _CALLBACK.fullmatch(callback):
        raise KloutError(400, "The callback must be the name of a function.")
    # The comment keeps the answer from being taken for anything but a script.
    script = b"/**/%s(%s);" % (callback.encode(), encoded)
    return _response(script, "application/javascript", {"X-Content-Type-Options": "nosniff"})


def answer_xml(root: str, content: Any) -> Response[bytes]:
    """Return an answer of version 1 in XML: an element for each field, and for each item of a list."""
    body = "".join(_elements(root, msgspec.to_builtins(content)))
    return _response(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode(), "text/xml")


def _elements(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        inner = [part for key, item in value.items() for part in _elements(key, item)]
    elif isinstance(value, list):
        inner = [part for item in value for part in _elements(_SINGULAR[name], item)]
    else:
        inner = [escape(str(value))]
    return [f"<{name}>", *inner, f"</{name}>"]


def _response(content: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        content=content,
        status_code=200,
        media_type=media_type,
        headers={"Cache-Control": "public, max-age=1"} | (headers or {}),
    )
