"""Answers that pass stored bytes on unparsed."""

import re
from typing import Final

from litestar import Response
from litestar.enums import MediaType

# JSON escapes quotes inside strings: this finds the field itself.
_VERSION = re.compile(rb'"version":\s*(\d+)')

CACHE_CONTROL: Final = "public, max-age=1"
"""Scores move within a second: longer would hide it."""


def version_of(document: bytes) -> str:
    """Return the version that a stored document carries, `0` when it carries none."""
    match = _VERSION.search(document)
    return match[1].decode() if match else "0"


def document_response(document: bytes, if_none_match: str | None) -> Response[bytes]:
    """Return a stored document with its ETag, or 304 when the client has this version."""
    tag = f'"{version_of(document)}"'
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL}
    if if_none_match is not None and _matches(if_none_match, tag):
        return Response(content=b"", status_code=304, headers=headers)
    return Response(content=document, status_code=200, media_type=MediaType.JSON, headers=headers)


def _matches(if_none_match: str, tag: str) -> bool:
    candidates = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return tag in candidates or "*" in candidates
