"""Scores of many users at once."""

from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec

from pipeline.lookup.api.documents import CACHE_CONTROL
from pipeline.lookup.api.fields import PROBLEMS
from pipeline.lookup.api.problems import InvalidFieldError
from pipeline.lookup.api.state import Service

BATCH_LIMIT: Final = 1000


class ScoresRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The users whose scores are wanted; a user who is named twice is answered once."""

    users: Annotated[list[str], msgspec.Meta(description=f"1 to {BATCH_LIMIT} user ids")]


class Scores(msgspec.Struct, frozen=True):
    """The score of each user; null where none is known."""

    scores: dict[str, float | None]


@post(
    "/v1/scores",
    status_code=200,
    responses={200: ResponseSpec(Scores, description="The score of each user."), **PROBLEMS},
)
async def post_scores(data: ScoresRequest, service: Service) -> Response[bytes]:
    """Return the scores of up to 1,000 users."""
    if not 1 <= len(data.users) <= BATCH_LIMIT:
        raise InvalidFieldError("users", f"expected 1 to {BATCH_LIMIT} ids, got {len(data.users)}")
    scores = await service.store.scores(data.users)
    answer = Scores(dict(zip(data.users, scores, strict=True)))
    return Response(
        content=msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": CACHE_CONTROL}
    )
