"""The users with the highest scores."""

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from pipeline.lookup.api.documents import CACHE_CONTROL
from pipeline.lookup.api.fields import PROBLEMS, Cursor, Limit, Network, decode_cursor
from pipeline.lookup.api.state import Service
from pipeline.lookup.cursors import CursorCodec
from pipeline.lookup.store import Position
from schemas import ScoreDocument


class Leader(msgspec.Struct, frozen=True):
    """One entry; ranks begin at 1. With `network`, the score is the one from that network alone."""

    rank: int
    score: float
    document: ScoreDocument


class Leaderboard(msgspec.Struct, frozen=True):
    """A page, best first."""

    leaders: list[Leader]
    next: str | None
    """The cursor of the next page; null on the last."""


class _RawLeader(msgspec.Struct, frozen=True):
    rank: int
    score: float
    document: msgspec.Raw


class _RawLeaderboard(msgspec.Struct, frozen=True):
    leaders: list[_RawLeader]
    next: str | None


@get("/v1/leaderboard", responses={200: ResponseSpec(Leaderboard, description="A page, best first."), **PROBLEMS})
async def get_leaderboard(
    service: Service, network: Network = None, limit: Limit = 20, cursor: Cursor = None
) -> Response[bytes]:
    """
    Return a page of the leaderboard, of all users or of one network.

    Whoever's score stays meanwhile comes exactly once; `/v1/users` has no gaps for those whose score moves either.
    """
    codec = CursorCodec(Position, "leaderboard", network)
    page = await service.store.top(limit, network, decode_cursor(codec, cursor))
    leaders = [_RawLeader(entry.rank, entry.score, msgspec.Raw(entry.document)) for entry in page]
    following = codec.encode(Position(page[-1].score, page[-1].user)) if len(page) == limit else None
    return Response(
        content=msgspec.json.encode(_RawLeaderboard(leaders, following)),
        media_type="application/json",
        headers={"Cache-Control": CACHE_CONTROL},
    )
