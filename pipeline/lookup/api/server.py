"""Serves the application until it is told to stop."""

import asyncio
import logging
from typing import Any, Final

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar.types import ASGIApp

from pipeline.errors import ConfigError
from pipeline.logs import get_logger
from pipeline.lookup.api.app import create_app
from pipeline.lookup.api.front import front
from pipeline.lookup.api.office import Office
from pipeline.lookup.connection import redacted
from pipeline.lookup.ingest.door import Door
from pipeline.settings import Settings

log = get_logger(__name__)

_STOP_S: Final = 3
"""Open requests have this long to end."""


async def run(settings: Settings, door: Door) -> None:
    """
    Run the lookup service until cancelled; subscribers are told to come back, and open requests end.

    Events that are posted go through `door`.

    Raises:
        ConfigError: The port is taken.
    """
    office = Office.open(settings, door)
    app = create_app(settings, office)
    server = _server(settings, office.gate.wrap(front(app, app.state.service)))
    log.info("lookup service starts", url=f"http://{settings.host}:{settings.port}", redis=redacted(settings.redis))
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        await app.state.service.end_subscriptions()
        server.stop()
        _, open_still = await asyncio.wait({serving}, timeout=_STOP_S)
        if open_still:
            log.warning("some clients do not read: their connections are cut")
        raise
    except (OSError, RuntimeError) as exc:
        # With RUST_BACKTRACE the server's own stack comes after the first line.
        reason = str(exc).partition("\n")[0]
        place = f"{settings.host}:{settings.port}"
        raise ConfigError(
            f"cannot listen on {place}: {reason}; end what listens there, or choose another port"
        ) from exc


def _server(settings: Settings, app: ASGIApp) -> Any:
    logging.getLogger("_granian").setLevel(logging.ERROR)
    return Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        log_enabled=False,
        backlog=4096,
    )
