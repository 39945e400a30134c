"""OpenAPI for handlers that read the body themselves."""

from dataclasses import dataclass

from litestar.openapi.spec import Operation, RequestBody


def with_body(body: RequestBody) -> type[Operation]:
    """Return an operation whose request has this body."""

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return WithBody
