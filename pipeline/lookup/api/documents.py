"""Answers that pass stored bytes on unparsed."""

from typing import Final

import msgspec
from litestar import Response
from litestar.enums import MediaType

from pipeline.lookup.documents import Document

CACHE_CONTROL: Final = "public, max-age=1"
"""Scores move within a second: longer would hide it."""


class Score(msgspec.Struct, frozen=True):
    """The score of a user and what tells whether it is newer than another."""

    user: str
    score: float
    bucket: str
    version: int
    time: int
    as_of: int


_decode_score = msgspec.json.Decoder(Score).decode


def score_content(document: Document) -> bytes:
    """Return the `Score` of a score document, encoded."""
    return msgspec.json.encode(_decode_score(document.content))


def etag(version: int) -> str:
    """Return the ETag of a stored document of a version."""
    return f'"{version}"'


def document_response(document: Document, if_none_match: str | None) -> Response[bytes]:
    """Return a stored document with its ETag, or 304 when the client has this version."""
    tag = etag(document.version)
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL}
    if if_none_match is not None and is_matched(if_none_match, tag):
        return Response(content=b"", status_code=304, headers=headers)
    return Response(content=document.content, status_code=200, media_type=MediaType.JSON, headers=headers)


def is_matched(if_none_match: str, tag: str) -> bool:
    """Tell whether a condition names an ETag."""
    candidates = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return tag in candidates or "*" in candidates
