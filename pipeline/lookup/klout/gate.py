"""
Who may call Klout's API.

Its clients say their key in the query, or in the form of a POST, and know refusals by their status alone.
"""

from typing import Any, Final

from litestar import HttpMethod, Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from pipeline.lookup.access.caller import caller_of
from pipeline.lookup.access.gate import Gate
from pipeline.lookup.access.refusals import ForbiddenError, LimitedError, NotLoadedError, UnauthorizedError
from pipeline.lookup.klout.errors import KloutError

_BAD_KEY: Final = "Invalid or unprovided API key. All calls must have a key."


def guard(gate: Gate) -> Guard:
    """
    Return the guard of Klout's routes.

    While reads are open, a key that is none of ours is as good as none: programs of 2012 have theirs built in.
    """

    async def check(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        scope: Any = connection.scope
        try:
            await gate.admit_read(await _key(connection), caller_of(scope))
        except (UnauthorizedError, ForbiddenError) as refusal:
            raise KloutError(403, _BAD_KEY, {"X-Mashery-Error-Code": "ERR_403_DEVELOPER_INACTIVE"}) from refusal
        except LimitedError as refusal:
            # Not 429: clients take every status that they do not know for success.
            headers = {"X-Mashery-Error-Code": "ERR_403_DEVELOPER_OVER_QPS", **refusal.headers()}
            raise KloutError(403, "Over the limit of calls. Try again later.", headers) from refusal
        except NotLoadedError as refusal:
            raise KloutError(503, "Keys cannot be checked now. Try again.", refusal.headers()) from refusal

    return check


async def _key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    key = connection.query_params.get("key")
    if key is None and isinstance(connection, Request) and connection.method == HttpMethod.POST:
        key = (await connection.form()).get("key")
    return key if isinstance(key, str) else None
