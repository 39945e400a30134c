"""The AsyncAPI document of topics and streams, beside the OpenAPI document of requests."""

from importlib.resources import files

from litestar import Response, get


@get("/schema/asyncapi.json", sync_to_thread=False)
def get_asyncapi() -> Response[bytes]:
    """Return the AsyncAPI document: every topic, and every stream of events."""
    content = files("schemas").joinpath("json", "asyncapi.json").read_bytes()
    return Response(content=content, media_type="application/json", headers={"Cache-Control": "public, max-age=3600"})
