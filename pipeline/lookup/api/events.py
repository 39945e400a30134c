"""Ingestion: engagements by HTTP."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, RequestBody, Schema

from pipeline.clock import system_clock
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.access.limits import BURST_S, Limiter
from pipeline.lookup.access.refusals import LimitedError
from pipeline.lookup.api.bodies import with_body
from pipeline.lookup.api.fields import KEY_PROBLEMS
from pipeline.lookup.api.problems import FieldError, InvalidFieldError, InvalidFieldsError, UnsupportedMediaError
from pipeline.lookup.ingest.bodies import CLOUDEVENT, CLOUDEVENTS, JSON, NDJSON, BodyError, MediaTypeError, read_items
from pipeline.lookup.ingest.checks import Checked, Checks, Rejection
from pipeline.lookup.ingest.door import Door
from pipeline.metrics import EVENTS_ACCEPTED, EVENTS_REJECTED
from pipeline.settings import Settings


class Accepted(msgspec.Struct, frozen=True):
    """What the broker has acknowledged, and what was left out."""

    accepted: int
    rejected: list[Rejection]


class Ingestion:
    """What the handler needs beside the request."""

    def __init__(self, settings: Settings, door: Door, limiter: Limiter) -> None:
        self.door = door
        self._checks = Checks(settings)
        self._limiter = limiter
        self._events_per_s = settings.key_events_per_s

    async def take(self, caller: Caller, count: int) -> None:
        """
        Count events against the key's limit.

        Raises:
            LimitedError: There are too many.
            InvalidFieldError: So many at once will always be too many.
        """
        most = int(self._events_per_s * BURST_S)
        if count > most:
            raise InvalidFieldError("body", f"{count} events at once: at most {most}")
        wait_s = await self._limiter.take(f"events:{caller.owner}", self._events_per_s, count)
        if wait_s:
            raise LimitedError(f"more than {self._events_per_s:g} events a second: wait", wait_s)

    def check(self, content_type: str, request: Request[Any, Any, Any], body: bytes, caller: Caller) -> Checked:
        """
        Read and check a body.

        Raises:
            InvalidFieldError: It cannot be read.
            UnsupportedMediaError: It is of another kind.
        """
        try:
            items = read_items(content_type, request.headers, body)
        except BodyError as exc:
            raise InvalidFieldError("body", str(exc)) from exc
        except MediaTypeError as exc:
            raise UnsupportedMediaError(str(exc)) from exc
        return self._checks.check(items, caller, system_clock())


_ONE = Schema(type="object", description="An engagement: schemas/json/engagement.json. Its stamps are not taken over.")  # type: ignore[arg-type]
_BODY = RequestBody(
    required=True,
    content={
        JSON: OpenAPIMediaType(schema=Schema(one_of=[_ONE, Schema(type="array", items=_ONE)])),  # type: ignore[arg-type]
        NDJSON[0]: OpenAPIMediaType(schema=Schema(type="string")),  # type: ignore[arg-type]
        CLOUDEVENT: OpenAPIMediaType(schema=Schema(type="object")),  # type: ignore[arg-type]
        CLOUDEVENTS: OpenAPIMediaType(schema=Schema(type="array", items=Schema(type="object"))),  # type: ignore[arg-type]
    },
)


@post(
    "/v1/events",
    status_code=202,
    operation_class=with_body(_BODY),
    responses={202: ResponseSpec(Accepted, description="They are in the log."), **KEY_PROBLEMS},
)
async def post_events(request: Request[Any, Any, Any], caller: Caller, ingestion: Ingestion) -> Response[Accepted]:
    """
    Publish engagements: one, an array, lines (NDJSON), or CloudEvents 1.0 (structured, batch, binary).

    The answer comes when the broker has acknowledged them.
    An event sent again with the same id counts once: after a 503 send it again.
    What is wrong is named by index and field, and the rest is taken.
    """
    caller.require("ingest")
    body = await request.body()
    checked = ingestion.check(request.headers.get("content-type", ""), request, body, caller)
    EVENTS_REJECTED.inc(len(checked.rejected))
    if not checked.events:
        raise InvalidFieldsError(
            [FieldError(f"{flaw.index}.{flaw.field}".rstrip("."), flaw.reason) for flaw in checked.rejected]
        )
    await ingestion.take(caller, len(checked.events))
    await ingestion.door.publish(checked.events)
    EVENTS_ACCEPTED.inc(len(checked.events))
    return Response(
        content=Accepted(len(checked.events), checked.rejected),
        status_code=202,
        headers={"Cache-Control": "no-store"},
    )
