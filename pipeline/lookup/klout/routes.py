"""The routes of Klout's API, for the application of the lookup service."""

from litestar import Router
from litestar.di import Provide
from litestar.params import Parameter

from pipeline.lookup.access.gate import Gate
from pipeline.lookup.api.state import Service
from pipeline.lookup.klout import v1, v2
from pipeline.lookup.klout.gate import guard
from pipeline.lookup.klout.people import People


def klout_routers(gate: Gate) -> list[Router]:
    """Return the routers of both versions; `gate` checks their keys."""
    return [_router("/v2", [*v2.HANDLERS, *v1.V2_HANDLERS], gate), _router("/1", v1.HANDLERS, gate)]


def _router(path: str, handlers: list[object], gate: Gate) -> Router:
    return Router(
        path,
        route_handlers=handlers,  # type: ignore[arg-type]
        dependencies={"people": Provide(_people, sync_to_thread=False)},
        guards=[guard(gate)],
        parameters={"key": Parameter(str, query="key", required=False, description="The API key.")},
        tags=[f"Klout's API, {path}"],
    )


def _people(service: Service) -> People:
    return People(service.store)
