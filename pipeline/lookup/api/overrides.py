"""Overrides: an administrator's word on what an account does."""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, delete, get, put
from litestar.openapi.datastructures import ResponseSpec

from pipeline.clock import system_clock
from pipeline.control.desk import ControlDesk
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.api.fields import KEY_PROBLEMS, UserSegment, user_id
from pipeline.lookup.api.problems import NotFoundError
from schemas import Override

_NO_STORE: Final = {"Cache-Control": "no-store"}


class OverrideRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`block`: what the account does from now on counts for nothing. `allow`: it is not taken for a new or busy one."""

    action: Literal["block", "allow"]
    reason: Annotated[str, msgspec.Meta(max_length=512)] = ""


class Overrides(msgspec.Struct, frozen=True):
    """All overrides, by user."""

    overrides: list[Override]


@get("/v1/overrides", responses={200: ResponseSpec(Overrides, description="All overrides."), **KEY_PROBLEMS})
async def get_overrides(caller: Caller, desk: ControlDesk) -> Response[Overrides]:
    """Return all overrides."""
    caller.require("admin")
    return Response(content=Overrides(list(desk.table.all(Override))), headers=_NO_STORE)


@put("/v1/overrides/{user:str}", responses={200: ResponseSpec(Override, description="It holds."), **KEY_PROBLEMS})
async def put_override(
    user: UserSegment, data: OverrideRequest, caller: Caller, desk: ControlDesk
) -> Response[Override]:
    """Decide on an account, instead of any earlier decision."""
    caller.require("admin")
    user = user_id(user)
    override = Override(f"override:{user}", user, data.action, system_clock(), data.reason)
    await desk.put(override)
    return Response(content=override, headers=_NO_STORE)


@delete("/v1/overrides/{user:str}", status_code=204, responses=KEY_PROBLEMS)
async def delete_override(user: UserSegment, caller: Caller, desk: ControlDesk) -> None:
    """Take an override back: what the account does counts as anybody's."""
    caller.require("admin")
    user = user_id(user)
    if desk.table.get(f"override:{user}", Override) is None:
        raise NotFoundError(f"there is no override for {user!r}")
    await desk.delete(f"override:{user}")
