"""Forgetting: an administrator's word that nothing may be kept of a user."""

from typing import Final

import msgspec
from litestar import Response, delete, get
from litestar.openapi.datastructures import ResponseSpec

from pipeline.clock import system_clock
from pipeline.control.desk import ControlDesk
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.alerts.rulesfile import OWNER as RULES_FILE
from pipeline.lookup.api.fields import KEY_PROBLEMS, UserSegment, user_id
from pipeline.lookup.api.problems import NotFoundError
from pipeline.lookup.api.state import Service
from pipeline.lookup.forgetting import forget_told
from pipeline.topics import DAY_MS, TOPICS
from schemas import ApiKey, Forgotten

_PERSONAL: Final = ("likes", "shares", "comments", "follows", "posts", "history", "spikes", "dead-letters")
"""Topics with a retention, whose records of the user go when their time has come."""
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Remains(msgspec.Struct, frozen=True):
    """What a topic still holds of a user, and until when at most (Unix ms)."""

    topic: str
    until: int


class Forgetting(msgspec.Struct, frozen=True):
    """What was done, and what is left."""

    user: str
    time: int
    """From when on it holds, Unix ms."""
    remains: list[Remains]
    """Records in the log cannot be taken out of it; they count for nothing any more, and go by themselves."""


class ForgottenUsers(msgspec.Struct, frozen=True):
    """Who is forgotten."""

    users: list[Forgotten]


@delete(
    "/v1/users/{user:str}",
    status_code=202,
    responses={202: ResponseSpec(Forgetting, description="It is decided; it is done within seconds."), **KEY_PROBLEMS},
)
async def delete_user(user: UserSegment, caller: Caller, desk: ControlDesk, service: Service) -> Response[Forgetting]:
    """
    Forget a user.

    Score, details and history are deleted, the id is taken out of others' details, spikes and alerts that name it go,
    the profile is blanked, and what the user does or receives from now on does not count. `DELETE /v1/forgotten/{user}`
    takes that back.
    """
    caller.require("admin")
    user, now = user_id(user), system_clock()
    await desk.put(Forgotten(f"forgotten:{user}", user, now))
    await desk.blank_profile(user, now)
    await forget_told(service.store.redis, user, [RULES_FILE, *(key.id for key in desk.table.all(ApiKey))])
    remains = [
        Remains(desk.prefix + spec.name, now + spec.retention_days * DAY_MS)
        for spec in TOPICS
        if spec.name in _PERSONAL and spec.retention_days is not None
    ]
    return Response(content=Forgetting(user, now, remains), status_code=202, headers=_NO_STORE)


@get("/v1/forgotten", responses={200: ResponseSpec(ForgottenUsers, description="Who is forgotten."), **KEY_PROBLEMS})
async def get_forgotten(caller: Caller, desk: ControlDesk) -> Response[ForgottenUsers]:
    """Return the users who are forgotten: their ids are kept, so that they stay it."""
    caller.require("admin")
    return Response(content=ForgottenUsers(list(desk.table.all(Forgotten))), headers=_NO_STORE)


@delete("/v1/forgotten/{user:str}", status_code=204, responses=KEY_PROBLEMS)
async def delete_forgotten(user: UserSegment, caller: Caller, desk: ControlDesk) -> None:
    """Know a user again: what happens from now on counts, what was forgotten stays so."""
    caller.require("admin")
    user = user_id(user)
    if desk.table.get(f"forgotten:{user}", Forgotten) is None:
        raise NotFoundError(f"{user!r} is not forgotten")
    await desk.delete(f"forgotten:{user}")
