"""Health, readiness and metrics."""

import msgspec
from litestar import Response, get
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.control.desk import ControlDesk
from pipeline.lookup.access.refusals import NotLoadedError
from pipeline.lookup.api.fields import PROBLEMS
from pipeline.lookup.api.state import Service

_NO_STORE = {"Cache-Control": "no-store"}


class Readiness(msgspec.Struct, frozen=True):
    """Redis answers, and how old what it has may be; null where no sink has told yet."""

    redis: str
    newest_score_age_s: float | None
    """Time since the newest score was computed."""
    caught_up_age_s: float | None
    """Time since Redis last had everything that the log had."""
    rebuilding: bool
    """Redis is being filled from the beginning."""
    keys: str
    """`ok`; or `unread` while Kafka is away and Redis has none: requests with a key get 503, others are served."""


@get("/healthz", media_type=MediaType.TEXT)
async def get_health() -> Response[str]:
    """Say that the process is alive."""
    return Response(content="alive\n", headers=_NO_STORE)


@get("/readyz", responses={200: ResponseSpec(Readiness, description="Ready."), 503: PROBLEMS[503]})
async def get_readiness(service: Service, desk: ControlDesk) -> Response[Readiness]:
    """
    Say whether Redis can be reached, and how fresh it is.

    A service that has only begun is not ready before it has read the keys; but it does not wait for Kafka for ever.
    """
    if desk.is_settling:
        raise NotLoadedError("the keys are being read: try again")
    freshness = await service.store.freshness()
    now = service.clock()
    return Response(
        content=Readiness(
            redis="ok",
            newest_score_age_s=_age(freshness.newest, now),
            caught_up_age_s=_age(freshness.caught_up, now),
            rebuilding=freshness.rebuilding,
            keys="ok" if desk.table.is_complete else "unread",
        ),
        headers=_NO_STORE,
    )


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False, sync_to_thread=False)
def get_metrics() -> Response[bytes]:
    """Return the metrics of this process for Prometheus."""
    return Response(content=generate_latest(), media_type=CONTENT_TYPE_LATEST, headers=_NO_STORE)


def _age(time: int | None, now: int) -> float | None:
    return None if time is None else max(0, now - time) / 1000
