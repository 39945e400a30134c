"""The AsyncAPI document names every topic and every stream, and what it says of them holds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from pipeline.lookup.api.routes import READS
from pipeline.topics import TOPICS
from schemas import asyncapi
from schemas.generate import ASYNCAPI, DIRECTORY, EXAMPLES

DOCUMENT: Final = json.loads((DIRECTORY / ASYNCAPI).read_text())


def resolved(reference: str) -> Any:
    """Return what a reference within the document points to."""
    found = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value: Any) -> Iterator[str]:
    """Yield every reference within a value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from references(part)


def test_every_reference_points_to_something() -> None:
    """Within the document itself: it is one file."""
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert reference.startswith("#/")
        assert resolved(reference), reference


def test_every_part_has_what_the_specification_asks_for() -> None:
    """AsyncAPI 3.0: operations act on channels, channels carry messages, servers have a host and a protocol."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    for channel in DOCUMENT["channels"].values():
        assert channel["address"]
        assert channel["messages"]
        for message in channel["messages"].values():
            assert {"payload", "headers"} & message.keys()
    acted_on = [operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()]
    assert sorted(acted_on) == sorted(f"#/channels/{name}" for name in DOCUMENT["channels"])
    assert '"discriminator": {' not in json.dumps(DOCUMENT), "it is the name of a property"
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


def test_every_topic_is_named() -> None:
    """Whoever adds a topic says what travels through it."""
    assert set(asyncapi.TOPICS) == {spec.name for spec in TOPICS}


def test_every_stream_of_the_service_is_named() -> None:
    """At the path where it is served, and as what it is served."""
    sockets = {feed.path for feed in asyncapi.FEEDS.values() if feed.socket}
    served = {path for handler in READS for path in getattr(handler, "paths", ())}
    assert {feed.path for feed in asyncapi.FEEDS.values()} <= served
    assert {path for path in served if path.endswith("/ws")} == sockets


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_an_example_follows_the_document(example: Path) -> None:
    """The schema that a reader of the document finds accepts it."""
    schema = {"$ref": f"#/components/schemas/{example.name.partition('.')[0]}", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(example.read_text()))
