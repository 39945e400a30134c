"""Every operation of the OpenAPI document, asked with whatever fits it and whatever does not."""

from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation

from tests.integration.test_lookup_api import store
from tests.support.cluster import Cluster, Role
from tests.support.eventually import eventually
from tests.support.keys import bearer, client_with, create_key
from tests.unit.lookup.documents import details_bytes, score_bytes

pytestmark = pytest.mark.integration

EXAMPLES: Final = 10
"""Of each operation, once as nobody and once as an administrator."""


@pytest.fixture
def serve(cluster: Cluster, redis_url: str) -> Role:
    """A running service with something to find."""
    store(redis_url, [score_bytes("x:a", 50), score_bytes("github:b", 60)], [details_bytes("x:a", {"github:b": 3})])
    return cluster.start("serve").wait_ready()


@pytest.mark.parametrize("scope", [None, "admin"])
def test_no_request_is_an_error_of_the_server(cluster: Cluster, serve: Role, scope: Any) -> None:
    """And every error is a problem document; but Klout's have their own shape."""
    headers = {}
    if scope is not None:
        key = create_key(cluster.settings, "read", "ingest", "identity", scope)
        headers = bearer(key)
        with client_with(key, serve):
            pass  # now the service knows it
    schema = schemathesis.openapi.from_url(f"{serve.url}/schema/openapi.json")
    found = [operation.ok() for operation in schema.get_all_operations()]
    assert len(found) > 15
    with requests.Session() as session:
        session.headers.update(headers)
        for operation in found:
            _try(session, serve.url, operation)


def _try(session: requests.Session, url: str, operation: APIOperation[Any, Any, Any, Any]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode]), is_known=st.booleans()
    )
    def ask(case: schemathesis.Case, *, is_known: bool) -> None:
        if is_known and "user" in case.path_parameters:
            case.path_parameters["user"] = "x:a"
        given = case.as_transport_kwargs(base_url=url)

        def is_answered() -> bool:
            # A stream of events never ends: its head says enough.
            with session.request(**given, stream=True, timeout=60) as answer:
                if answer.status_code == 503 and "retry-after" in answer.headers:
                    return False
                _check(operation, answer)
            return True

        eventually(is_answered, 60, f"{operation.method} {operation.path} is answered")

    ask()


def _check(operation: APIOperation[Any, Any, Any, Any], answer: requests.Response) -> None:
    what = f"{operation.method} {answer.request.url} {answer.request.body!r}: {answer.status_code}"
    assert answer.status_code < 500, f"{what} {answer.text}"
    if answer.status_code < 400:
        return
    if not operation.path.startswith("/v1/"):
        return  # Klout's own shapes, which tests of theirs look at
    if answer.status_code == 414 and not answer.content:
        return  # the server itself, before it reads what is meant
    assert answer.headers["content-type"] == "application/problem+json", what
    problem = answer.json()
    assert problem["status"] == answer.status_code, what
    assert problem["title"], what
    if answer.status_code in {400, 404, 422}:
        assert problem["detail"], what
