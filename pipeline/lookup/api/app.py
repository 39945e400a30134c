"""The application: handlers, errors, OpenAPI, and the parts that start and stop with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from pipeline.clock import Clock, system_clock
from pipeline.lookup.access.caller import guard
from pipeline.lookup.api.office import OFFICE_HANDLERS, Office
from pipeline.lookup.api.problems import HANDLERS
from pipeline.lookup.api.reference import ReferencePlugin
from pipeline.lookup.api.routes import READS
from pipeline.lookup.api.state import Service
from pipeline.lookup.klout.errors import with_klout_shapes
from pipeline.lookup.klout.routes import klout_routers
from pipeline.settings import Settings

_BODY_LIMIT: Final = 1_000_000
"""1,000 ids of the greatest length fit."""


def create_app(settings: Settings, office: Office, clock: Clock = system_clock) -> Litestar:
    """
    Return the application; it connects to Redis when it starts, and while Redis is away it answers 503.

    It expects every request to come through `office.gate` and `front`.
    """
    service = Service(settings, clock)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        office.start()
        async with service.running():
            yield
        await office.close()

    app = Litestar(
        route_handlers=[*READS, *OFFICE_HANDLERS, *klout_routers(office.gate)],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False), **office.dependencies()},
        guards=[guard],
        exception_handlers=with_klout_shapes(HANDLERS),
        lifespan=[running],
        openapi_config=_openapi(),
        request_max_body_size=_BODY_LIMIT,
        logging_config=None,  # the process has configured it
    )
    app.state.service = service
    return app


def _openapi() -> OpenAPIConfig:
    try:
        release = version("clout")
    except PackageNotFoundError:
        release = "0"
    return OpenAPIConfig(
        title="Clout",
        version=release,
        description="Influence scores from 1 to 100, explained, as they change.",
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json"), ReferencePlugin()],
        use_handler_docstrings=True,
    )
