"""Users by score, network, bucket, topic, authenticity and handle."""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter, QueryParameter

from pipeline.lookup.api.documents import CACHE_CONTROL
from pipeline.lookup.api.fields import PROBLEMS, Cursor, Limit, Network, decode_cursor
from pipeline.lookup.api.problems import InvalidFieldError
from pipeline.lookup.api.state import Service
from pipeline.lookup.cursors import CursorCodec
from pipeline.lookup.search import Criteria
from pipeline.lookup.topics import topic_of
from pipeline.lookup.walk import Place
from schemas import ScoreDocument

MinScore = Annotated[float, QueryParameter(name="min_score", ge=1, le=100, description="Least score.")]
MaxScore = Annotated[float, QueryParameter(name="max_score", ge=1, le=100, description="Greatest score.")]
Bucket = Annotated[
    Literal["1-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90-100"] | None,
    Parameter(description="Only this bucket."),
]
Topic = Annotated[
    str | None,
    Parameter(min_length=1, max_length=512, description="Only users who stand under this topic, written in any way."),
]
MinAuthenticity = Annotated[
    int, QueryParameter(name="min_authenticity", ge=0, le=100, description="Least authenticity.")
]
Handle = Annotated[
    str | None,
    Parameter(min_length=1, max_length=512, description="Only this handle, in any case; all come on one page."),
]


class Users(msgspec.Struct, frozen=True):
    """A page, highest score first, but for users who rose meanwhile: they come at the next page's begin."""

    users: list[ScoreDocument]
    next: str | None
    """The cursor of the next page, which may be empty; null on the last."""
    exact: bool
    """Whether nobody was skipped or repeated although scores moved; false when too many did, or pages came too late."""


class _RawUsers(msgspec.Struct, frozen=True):
    users: list[msgspec.Raw]
    next: str | None
    exact: bool


_HEADERS: Final = {"Cache-Control": CACHE_CONTROL}


@get("/v1/users", responses={200: ResponseSpec(Users, description="A page of users."), **PROBLEMS})
async def search_users(
    *,
    service: Service,
    min_score: MinScore = 1.0,
    max_score: MaxScore = 100.0,
    network: Network = None,
    bucket: Bucket = None,
    topic: Topic = None,
    min_authenticity: MinAuthenticity = 0,
    handle: Handle = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response[bytes]:
    """
    Return users who meet all that is asked for.

    Whoever does so throughout all pages comes exactly once, however the score moves meanwhile, while `exact` is true.
    Whoever begins or ceases to do so comes at most once.
    """
    if min_score > max_score:
        raise InvalidFieldError("min_score", "it is greater than max_score")
    criteria = Criteria(min_score, max_score, network, bucket, _slug(topic), min_authenticity)
    if handle is not None:
        documents = await service.search.by_handle(handle, criteria)
        return _page(documents[:limit], None, exact=True)
    codec = CursorCodec(Place, "users", criteria)
    found = await service.search.page(criteria, limit, decode_cursor(codec, cursor))
    following = None if found.next is None else codec.encode(found.next)
    return _page(found.documents, following, exact=found.is_exact)


def _page(documents: list[bytes], following: str | None, *, exact: bool) -> Response[bytes]:
    page = _RawUsers([msgspec.Raw(document) for document in documents], following, exact)
    return Response(content=msgspec.json.encode(page), media_type="application/json", headers=_HEADERS)


def _slug(topic: str | None) -> str | None:
    if topic is None:
        return None
    known = topic_of(topic)
    if known is None:
        raise InvalidFieldError("topic", "a topic has a letter or a digit")
    return known.slug
