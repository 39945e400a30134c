"""The score of a user over time, and how much it changed."""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from pipeline.lookup import keys
from pipeline.lookup.api.documents import CACHE_CONTROL
from pipeline.lookup.api.fields import USER_PROBLEMS, UserSegment, user_id
from pipeline.lookup.api.problems import UnknownUserError
from pipeline.lookup.api.state import Service
from pipeline.lookup.history.series import DAY_MS, HOUR_MS, MINUTE_MS, Series, last_of_each
from schemas import ScoreDocument

Window = Literal["24h", "7d", "14d", "30d", "90d", "400d"]
Resolution = Literal["minute", "hour", "day"]

_WINDOWS: Final[dict[Window, tuple[int, Resolution]]] = {
    "24h": (DAY_MS, "minute"),
    "7d": (7 * DAY_MS, "hour"),
    "14d": (14 * DAY_MS, "hour"),
    "30d": (30 * DAY_MS, "day"),
    "90d": (90 * DAY_MS, "day"),
    "400d": (400 * DAY_MS, "day"),
}
_SLOTS: Final[dict[Resolution, int]] = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}

WindowParameter = Annotated[Window, Parameter(description="How far back: 24 h by the minute, to 400 d by the day.")]


class ScoreAt(msgspec.Struct, frozen=True):
    """A score and since when it holds: event time, Unix ms."""

    time: int
    score: float


class ScoreChanges(msgspec.Struct, frozen=True):
    """How much the score moved; null where the history does not reach back so far."""

    day: float | None
    week: float | None
    month: float | None


class History(msgspec.Struct, frozen=True):
    """A user's score over time, in event time: a score holds until the next point."""

    user: str
    window: Window
    resolution: Resolution
    """There is at most one point in each minute, hour or day (UTC): its last."""
    score: float
    previous: float | None
    """The score of the document before; null in the first."""
    changes: ScoreChanges
    as_of: int
    """What the window ends with and changes are counted up to: the newest event time of all scores, Unix ms."""
    points: list[ScoreAt]
    """Oldest first. The first may be older than the window: the score that held when it began."""


_decode_document = msgspec.json.Decoder(ScoreDocument).decode


@get(
    "/v1/users/{user:str}/history",
    responses={200: ResponseSpec(History, description="The score over time."), **USER_PROBLEMS},
)
async def get_history(user: UserSegment, service: Service, window: WindowParameter = "24h") -> Response[History]:
    """Return a user's score over time, and its changes within a day, a week and a month."""
    user = user_id(user)
    names = [keys.user(user), keys.history(user), keys.AS_OF]
    document, stored, as_of = await service.store.values(names)
    if document is None:
        raise UnknownUserError(user)
    history = _history(_decode_document(document), Series.decode(stored), int(as_of or 0), window)
    return Response(content=history, headers={"Cache-Control": CACHE_CONTROL})


def _history(document: ScoreDocument, series: Series, as_of: int, window: Window) -> History:
    now = max(as_of, document.as_of)
    length_ms, resolution = _WINDOWS[window]
    points = last_of_each(series.since(now - length_ms), _SLOTS[resolution])
    changes = series.changes(now, document.score)
    return History(
        user=document.user,
        window=window,
        resolution=resolution,
        score=document.score,
        previous=document.previous,
        changes=ScoreChanges(changes.day, changes.week, changes.month),
        as_of=now,
        points=[ScoreAt(*point) for point in points],
    )
