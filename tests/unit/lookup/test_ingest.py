"""Bodies of events, in every form they may come in."""

import json
from typing import Any

import msgspec
import pytest

from pipeline.lookup.access.caller import Caller
from pipeline.lookup.ingest.bodies import BodyError, MediaTypeError, read_items
from pipeline.lookup.ingest.checks import Checks
from pipeline.settings import Settings
from schemas import ApiKey

NOW = 1_800_000_000_000
EVENT: dict[str, Any] = {
    "id": "x:1",
    "kind": "like",
    "network": "x",
    "actor": "x:a",
    "target": "x:b",
    "time": NOW - 1000,
}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "https://a.example", "type": "example.like", "subject": "x:b"}


def caller(*networks: str) -> Caller:
    """Return a caller whose key is bound to these networks, or to none."""
    return Caller("", key=ApiKey("key:a", "a", ["ingest"], [], 0, networks=list(networks) or None))


def flaws(*items: Any, who: Caller | None = None) -> list[tuple[int, str]]:
    """Return the index and field of each event that is refused."""
    checked = Checks(Settings()).check(list(items), who or caller(), NOW)
    return [(flaw.index, flaw.field) for flaw in checked.rejected]


@pytest.mark.parametrize(
    ("content_type", "body", "count"),
    [
        ("application/json", json.dumps(EVENT), 1),
        ("application/json; charset=utf-8", json.dumps([EVENT, EVENT]), 2),
        ("application/x-ndjson", json.dumps(EVENT) + "\n\n" + json.dumps(EVENT) + "\r\n", 2),
        ("application/cloudevents+json", json.dumps({**ENVELOPE, "data": EVENT}), 1),
        ("application/cloudevents-batch+json", json.dumps([{**ENVELOPE, "data": EVENT}] * 3), 3),
    ],
)
def test_events_come_in_several_forms(content_type: str, body: str, count: int) -> None:
    """Each becomes the same event."""
    items = read_items(content_type, {}, body.encode())
    checked = Checks(Settings()).check(items, caller(), NOW)
    assert [msgspec.to_builtins(event) for event in checked.events] == [EVENT] * count


def test_a_cloud_event_lends_what_its_data_leave_out() -> None:
    """In the body or in headers; id and source together are unique."""
    data = {"network": "x", "actor": "x:a"}
    envelope = {**ENVELOPE, "time": "2027-01-15T08:00:00.5Z"}
    structured = read_items("application/cloudevents+json", {}, json.dumps({**envelope, "data": data}).encode())
    headers = {f"ce-{name}": value for name, value in envelope.items()}
    binary = read_items("application/json", headers, json.dumps(data).encode())
    (event,) = Checks(Settings()).check(structured, caller(), NOW + 10**10).events
    assert (event.id, event.kind, event.target, event.time) == ("https://a.example/1", "like", "x:b", 1_800_000_000_500)
    assert binary == structured


def test_stamps_from_outside_are_not_taken_over() -> None:
    """Whoever sends an event does not say what its actor weighs."""
    stamped = {**EVENT, "actor_score": 99.0, "actor_nth": 1, "actor_since": 1, "mutual": True}
    (event,) = Checks(Settings()).check([stamped], caller(), NOW).events
    assert (event.actor_score, event.actor_nth, event.actor_since, event.mutual) == (None, None, None, None)


def test_what_is_wrong_is_named_by_index_and_field() -> None:
    """And the rest is taken."""
    bad: list[dict[str, Any]] = [
        {**EVENT, "kind": "poke"},
        {**EVENT, "time": "today"},
        {**EVENT, "actor": "nobody"},
        {**EVENT, "target": "x:\x00"},
        {**EVENT, "id": ""},
        {**EVENT, "time": NOW + 3_600_000},
        {**EVENT, "tags": [7]},
        {name: value for name, value in EVENT.items() if name != "target"},
        {**EVENT, "tags": ["t" * 128] * 65},
    ]
    found = flaws(EVENT, *bad, EVENT)
    assert found == [
        (1, "kind"),
        (2, "time"),
        (3, "actor"),
        (4, "target"),
        (5, "id"),
        (6, "time"),
        (7, "tags[0]"),
        (8, "target"),
        (9, "tags"),
    ]


def test_half_of_a_surrogate_pair_is_refused() -> None:
    """JSON can hold it, and it is no text."""
    with pytest.raises(BodyError):
        read_items("application/json", {}, b'{"id": "\\ud800"}')
    assert flaws({**EVENT, "id": "\ud800"}) == [(0, "")]


def test_a_key_publishes_for_its_networks_alone() -> None:
    """Not even for a user of another one."""
    other = {**EVENT, "target": "y:b"}
    assert flaws(EVENT, who=caller("x")) == []
    assert flaws(EVENT, who=caller("y")) == [(0, "network")]
    assert flaws(other, who=caller("x")) == [(0, "target")]
    assert flaws(other, who=caller("x", "y")) == []


@pytest.mark.parametrize(
    ("field", "envelope"),
    [
        ("id", {**ENVELOPE, "id": ""}),
        ("source", {name: value for name, value in ENVELOPE.items() if name != "source"}),
        ("specversion", {**ENVELOPE, "specversion": "0.3"}),
        ("time", {**ENVELOPE, "time": "2027-01-15 08:00", "data": {}}),
        ("time", {**ENVELOPE, "time": 7, "data": {}}),
        ("data", ENVELOPE),
        ("", []),
    ],
)
def test_a_bad_envelope_is_named_by_its_attribute(field: str, envelope: Any) -> None:
    """One bad event does not spoil the others."""
    good = {**ENVELOPE, "data": EVENT}
    items = read_items("application/cloudevents-batch+json", {}, json.dumps([good, envelope]).encode())
    assert flaws(*items) == [(1, field)]


def test_a_bad_line_is_named_by_its_index() -> None:
    """The other lines are taken."""
    items = read_items("application/x-ndjson", {}, b'{"id"\n' + json.dumps(EVENT).encode() + b"\n[]")
    assert flaws(*items) == [(0, ""), (2, "")]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, json.dumps([EVENT] * 1001).encode(), b"\xff"])
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    """With what was expected."""
    with pytest.raises(BodyError):
        read_items("application/json", {}, body)


@pytest.mark.parametrize(("content_type", "encoding"), [("text/xml", "identity"), ("application/json", "gzip")])
def test_other_kinds_of_bodies_are_refused(content_type: str, encoding: str) -> None:
    """Compressed ones too: a small body must not become a large one."""
    with pytest.raises(MediaTypeError):
        read_items(content_type, {"content-encoding": encoding}, json.dumps(EVENT).encode())
