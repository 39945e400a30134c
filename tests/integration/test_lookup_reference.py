"""The documentation page names every operation, and loads nothing."""

import re

import httpx
import pytest

from tests.support.cluster import Cluster

pytestmark = pytest.mark.integration


def test_the_documentation_is_whole_and_works_without_internet(cluster: Cluster) -> None:
    """Every operation and type of the OpenAPI document; no script, image or style from elsewhere."""
    serve = cluster.start("serve").wait_ready()
    document = httpx.get(f"{serve.url}/schema/openapi.json", timeout=60).json()
    answer = httpx.get(f"{serve.url}/schema", follow_redirects=True, timeout=60)
    page = answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "script" not in answer.headers["content-security-policy"]
    assert not re.search(r"<script|<img|<link|src=|https?://", page)
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors, "a link that leads nowhere"
    operations = sum(len(item.keys() & {"get", "post", "put", "delete"}) for item in document["paths"].values())
    assert page.count('class="method"') == operations
    assert set(document["components"]["schemas"]) <= anchors
    streams = httpx.get(f"{serve.url}/schema/asyncapi.json", timeout=60).json()
    assert streams["channels"]["changes"]["address"] == "/v1/changes"
