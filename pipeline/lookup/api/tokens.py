"""Short-lived tokens for those who cannot send headers."""

import msgspec
from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec

from pipeline.lookup.access.caller import Caller
from pipeline.lookup.access.tokens import LIFETIME_S, Tokens
from pipeline.lookup.api.fields import KEY_PROBLEMS


class Token(msgspec.Struct, frozen=True):
    """A token, good for `expires_in_s` seconds."""

    token: str
    expires_in_s: int


@post("/v1/tokens", status_code=201, responses={201: ResponseSpec(Token, description="The token."), **KEY_PROBLEMS})
async def post_token(caller: Caller, tokens: Tokens) -> Response[Token]:
    """
    Return a token that reads as its key does, for browsers' EventSource: `/v1/changes?token=..`.

    It can open subscriptions and nothing else.
    """
    token = await tokens.issue(caller.owner)
    return Response(content=Token(token, LIFETIME_S), status_code=201, headers={"Cache-Control": "no-store"})
