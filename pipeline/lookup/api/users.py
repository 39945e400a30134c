"""What is known of one user."""

from typing import Any

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from pipeline.lookup.api.documents import CACHE_CONTROL, Score, document_response, score_content
from pipeline.lookup.api.fields import USER_PROBLEMS, IfNoneMatch, Limit, UserSegment, user_id
from pipeline.lookup.api.problems import UnknownUserError
from pipeline.lookup.api.state import Service
from pipeline.lookup.documents import Document
from schemas import Details, Moment, ScoreDocument


class Peer(msgspec.Struct, frozen=True):
    """Another user and how often one engaged with the other (approximate when often)."""

    user: str
    count: int
    score: float | None
    """None while no score is known."""


class Peers(msgspec.Struct, frozen=True):
    """The other users, most frequent first."""

    user: str
    peers: list[Peer]


class Moments(msgspec.Struct, frozen=True):
    """The posts of a user that moved the score."""

    user: str
    moments: list[Moment]
    version: int
    as_of: int


def _returns(kind: type[Any], what: str) -> dict[int, ResponseSpec]:
    return {200: ResponseSpec(kind, description=what), **USER_PROBLEMS}


_decode_details = msgspec.json.Decoder(Details).decode


@get("/v1/users/{user:str}", responses=_returns(ScoreDocument, "The score document."))
async def get_user(user: UserSegment, service: Service, if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """Return the score document of a user, as the worker wrote it."""
    return document_response(await _document(service, user_id(user)), if_none_match)


@get("/v1/users/{user:str}/score", responses=_returns(Score, "The score alone."))
async def get_score(user: UserSegment, service: Service, if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """Return the score of a user without what stands behind it."""
    document = await _document(service, user_id(user))
    return document_response(Document(score_content(document), document.version), if_none_match)


@get("/v1/users/{user:str}/explain", responses=_returns(Details, "Who and what stands behind the score."))
async def get_details(user: UserSegment, service: Service, if_none_match: IfNoneMatch = None) -> Response[bytes]:
    """Return the top actors, posts and tags of a user, and what each factor adds to the score."""
    return document_response(await _details(service, user_id(user)), if_none_match)


@get("/v1/users/{user:str}/moments", responses=_returns(Moments, "The posts that earned the most engagement."))
async def get_moments(user: UserSegment, service: Service) -> Response[Moments]:
    """Return a user's posts that earned most within any window, with the points that each is worth, the most first."""
    details = _decode_details((await _details(service, user_id(user))).content)
    content = Moments(details.user, details.moments, details.version, details.as_of)
    return Response(content=content, headers={"Cache-Control": CACHE_CONTROL})


@get("/v1/users/{user:str}/influencers", responses=_returns(Peers, "Those whom the user engages with."))
async def get_influencers(user: UserSegment, service: Service, limit: Limit = 20) -> Response[Peers]:
    """Return those who influence a user: whom the user engages with most."""
    user = user_id(user)
    return await _peers(service, user, await service.store.influencers(user, limit))


@get("/v1/users/{user:str}/influencees", responses=_returns(Peers, "Those who engage with the user."))
async def get_influencees(user: UserSegment, service: Service, limit: Limit = 20) -> Response[Peers]:
    """Return those whom a user influences: who engages with the user most."""
    user = user_id(user)
    details = _decode_details((await _details(service, user)).content)
    return await _peers(service, user, [(actor.actor, actor.count) for actor in details.actors[:limit]])


async def _document(service: Service, user: str) -> Document:
    document = await service.documents.get(user)
    if document is None:
        raise UnknownUserError(user)
    return document


async def _details(service: Service, user: str) -> Document:
    details = await service.store.details(user)
    if details is None:
        raise UnknownUserError(user)
    return Document.of(details)


async def _peers(service: Service, user: str, found: list[tuple[str, int]]) -> Response[Peers]:
    scores = await service.store.scores([peer for peer, _ in found])
    peers = [Peer(peer, count, score) for (peer, count), score in zip(found, scores, strict=True)]
    return Response(content=Peers(user, peers), headers={"Cache-Control": CACHE_CONTROL})
