"""Mappings: known bodies become records, unknown ones are skipped with a reason, and nobody else's are looked at."""

import base64
import hmac
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.protocol import Deletion
from agents.receiver import Request
from agents.totals import Total
from agents.webhooks.bodies import BodyError, decode
from agents.webhooks.mapping import Handshake, Signature, load_all, parse
from agents.webhooks.reading import read
from agents.webhooks.signing import is_signed, shake_hands, verify_token
from pipeline.errors import ConfigError
from schemas import Engagement, Post, Profile

NOW = 1_795_324_000_000
MAPPINGS = load_all()
FIXTURES = Path(__file__).parent / "webhooks"
CASES = [(path.stem, case) for path in sorted(FIXTURES.glob("*.json")) for case in json.loads(path.read_text())]


def plain(item: object) -> dict[str, Any]:
    """Return a record as the fixtures write it."""
    if isinstance(item, Deletion):
        return {"kind": "delete", "time": NOW, "ids": list(item.ids)}
    if isinstance(item, Total):
        said = {"kind": "total", "time": NOW, **asdict(item)}
        return {name: value for name, value in said.items() if value is not None and name != "network"}
    assert isinstance(item, Engagement | Post | Profile)
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    kind = {"kind": type(item).__name__.lower()} if isinstance(item, Post | Profile) else {}
    shown = {name: value for name, value in fields.items() if value not in (None, False) and name != "network"}
    return {**kind, **shown}


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES])
def test_a_body_of_the_documentation_means_what_it_says(name: str, case: dict[str, Any]) -> None:
    """Records and reasons are those of the fixture; each event has one fate."""
    body = case["body"]
    batch = read(
        MAPPINGS[name], body if isinstance(body, dict) else decode(body.encode()), case.get("headers", {}), NOW
    )
    expected = [{"time": NOW, **record} for record in case.get("records", [])]
    assert [plain(item) for item in (*batch.items, *batch.news, *batch.totals)] == expected
    assert batch.skipped == case.get("skipped", {})


def test_every_mapping_has_known_and_unknown_bodies() -> None:
    """A mapping without fixtures is a guess."""
    for name in MAPPINGS:
        cases = [case for network, case in CASES if network == name]
        assert any("records" in case for case in cases), name
        assert any("skipped" in case for case in cases), name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(CASES), st.data())
def test_no_body_trips_a_mapping(case: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    """Whatever stands where something is expected, each event has one fate."""
    name, fixture = case

    def spoiled(value: Any) -> Any:
        if data.draw(st.integers(0, 9)) == 0:
            return data.draw(json_values)
        if isinstance(value, dict):
            return {key: spoiled(inner) for key, inner in value.items()}
        return [spoiled(inner) for inner in value] if isinstance(value, list) else value

    body = fixture["body"]
    batch = read(
        MAPPINGS[name],
        spoiled(body if isinstance(body, dict) else decode(body.encode())),
        fixture.get("headers", {}),
        NOW,
    )
    assert batch.read >= 1
    assert bool(batch.items or batch.news or batch.totals) or sum(batch.skipped.values()) == batch.read


def request(body: bytes = b"{}", headers: dict[str, str] | None = None, **query: str) -> Request:
    """Return a request."""
    return Request(
        "POST", "/x", "/x", {name.replace("_", "."): value for name, value in query.items()}, headers or {}, body
    )


def digest(signed: bytes, name: str = "sha256") -> bytes:
    """Return the HMAC with the secret `s`."""
    return hmac.new(b"s", signed, name).digest()


@pytest.mark.parametrize("name", sorted(MAPPINGS))
def test_only_the_network_itself_can_sign(name: str) -> None:
    """The signature of the documentation is accepted; another body, secret, time or none at all is not."""
    signature = MAPPINGS[name].signature
    body, time = b'{"a":1}', NOW // 1_000
    signed = f"{time}.".encode() + body if signature.timed else signature.salt.encode() + body
    text = (
        digest(signed, signature.hash).hex()
        if signature.encoding == "hex"
        else base64.b64encode(digest(signed, signature.hash)).decode()
    )
    header = f"t={time},s={text}" if signature.timed else signature.prefix + text
    headers = {signature.header.lower(): header}
    assert is_signed(signature, "s", request(body, headers), NOW)
    assert not is_signed(signature, "s", request(body + b" ", headers), NOW)
    assert not is_signed(signature, "other", request(body, headers), NOW)
    assert not is_signed(signature, "s", request(body), NOW)
    assert not is_signed(signature, "s", request(body, {signature.header.lower(): "\xff"}), NOW)
    if signature.timed:
        assert not is_signed(signature, "s", request(body, headers), NOW + 600_000)


def test_handshakes_are_those_of_the_networks() -> None:
    """Meta's echo, X's and LinkedIn's proof."""
    hub = shake_hands(Handshake("hub"), "s", request(hub_challenge="1158", hub_verify__token="no"))
    assert hub.status == 403
    query = {"hub.mode": "subscribe", "hub.challenge": "1158", "hub.verify_token": verify_token("s")}
    assert shake_hands(Handshake("hub"), "s", Request("GET", "/x", "/x", query, {}, b"")).body == b"1158"
    crc = shake_hands(Handshake("crc"), "s", Request("GET", "/x", "/x", {"crc_token": "foo"}, {}, b""))
    assert json.loads(crc.body) == {"response_token": "sha256=" + base64.b64encode(digest(b"foo")).decode()}
    code = shake_hands(Handshake("challenge-code"), "s", Request("GET", "/x", "/x", {"challengeCode": "c"}, {}, b""))
    assert json.loads(code.body) == {"challengeCode": "c", "challengeResponse": digest(b"c").hex()}
    assert shake_hands(Handshake("none"), "s", request()).status == 404


def test_only_its_own_subscriptions_are_confirmed_to_a_hub() -> None:
    """By the token in the request or in the address that the hub was given; others could end or take over one."""
    websub = Handshake("websub", "https://www.youtube.com/")
    asked = {"hub.mode": "subscribe", "hub.topic": "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1"}
    asked |= {"hub.challenge": "c", "hub.lease_seconds": "432000"}

    def answer(**query: str) -> tuple[int, bytes]:
        there = {name.replace("hub_", "hub."): value for name, value in query.items()}
        answered = shake_hands(websub, "s", Request("GET", "/x", "/x", {**asked, **there}, {}, b""))
        return answered.status, answered.body

    token = verify_token("s")
    assert answer(hub_verify_token=token) == (200, b"c")
    assert answer(token=token, hub_mode="unsubscribe") == (200, b"c")
    assert answer()[0] == 404
    assert answer(hub_mode="unsubscribe", hub_verify_token="guess")[0] == 404
    assert answer(token=token, hub_topic="https://elsewhere.example/")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<feed>",
        b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><feed/>',
        b'<?xml version="1.0" encoding="no-such"?><feed/>',
        b"\xff\xfe<",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_neither_json_nor_a_feed_is_refused(body: bytes) -> None:
    """Entities and outside references are never followed."""
    with pytest.raises(BodyError):
        decode(body)


def test_a_deep_feed_is_read_to_a_depth() -> None:
    """And does no harm."""
    assert decode(b"<a>" * 5_000 + b"</a>" * 5_000)


def test_a_wrong_mapping_names_the_field() -> None:
    """Whoever writes one learns what is wrong."""
    with pytest.raises(ConfigError, match=r"my.toml is no mapping: .*kind"):
        parse("my.toml", b'network="n"\nabout="a"\nsource="s"\ntried=false\nsignature={header="h"}\nevent=[{kind="x"}]')


def test_signatures_are_compared_in_bytes() -> None:
    """A header may hold anything."""
    assert not is_signed(Signature("h"), "s", request(headers={"h": "\u20ac"}), NOW)
