"""Keys, scopes, addresses and limits, without processes."""

from typing import Any

import msgspec
import pytest

from pipeline.control.commands import duration_ms
from pipeline.control.keytext import new_key, parse_key
from pipeline.control.table import ControlTable, encode
from pipeline.errors import ConfigError
from pipeline.lookup.access.addresses import client_address, limit_name, parse_networks
from pipeline.lookup.access.caller import Caller
from pipeline.lookup.access.refusals import ForbiddenError, LimitedError, UnauthorizedError
from pipeline.lookup.access.rules import rule_of
from schemas import ApiKey, KeySecret, Override, Scope


def key(*scopes: Scope, **changes: Any) -> ApiKey:
    """Return a key with these scopes."""
    return ApiKey(id="key:a", name="a", scopes=list(scopes), secrets=[KeySecret("0" * 64)], created=0, **changes)


def test_a_key_is_read_from_its_text_and_matches_its_hash() -> None:
    """Two keys never share a secret."""
    one, other = new_key(), new_key()
    assert parse_key(str(one)) == one
    assert one.matches(one.hash())
    assert not other.matches(one.hash())
    assert one.secret != other.secret
    assert new_key(one.id).id == one.id


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t[:-1] + "!", lambda t: t.replace("clout", "klout")])
def test_a_mistyped_key_is_known_by_its_check_sum(change: Any) -> None:
    """Without a look-up."""
    text = str(new_key())
    assert parse_key(change(text)) is None
    swapped = text[:30] + text[31] + text[30] + text[32:]
    assert parse_key(swapped) is None or swapped == text


@pytest.mark.parametrize("text", ["", "clout", "clout__", "clout_" + "é" * 66, "_" * 72, "x" * 10_000])
def test_what_is_no_key_is_none(text: str) -> None:
    """Whatever it is."""
    assert parse_key(text) is None


def test_a_caller_has_the_scopes_of_its_key() -> None:
    """Admin has all; a token only reads, whatever its key can."""
    assert Caller("", key=key("ingest")).may("ingest")
    assert not Caller("", key=key("ingest")).may("read")
    assert Caller("", key=key("admin")).may("identity")
    assert not Caller("", key=key("admin"), is_token=True).may("admin")
    with pytest.raises(ForbiddenError, match="identity"):
        Caller("", key=key("read")).require("identity")
    with pytest.raises(UnauthorizedError):
        Caller("").require("read")


def test_a_key_publishes_for_its_networks_alone() -> None:
    """A key without networks publishes for all."""
    assert Caller("", key=key("ingest", networks=["x"])).may_publish("x")
    assert not Caller("", key=key("ingest", networks=["x"])).may_publish("y")
    assert Caller("", key=key("ingest")).may_publish("y")


@pytest.mark.parametrize(
    ("method", "path", "scope", "is_public"),
    [
        ("GET", "/v1/users/x:a", "read", True),
        ("GET", "/v1/changes/ws", "read", True),
        ("POST", "/v1/scores", "read", True),
        ("POST", "/v1/events", "ingest", False),
        ("POST", "/v1/events/", "ingest", False),
        ("DELETE", "/v1/users/x:a", "admin", False),
        ("GET", "/v1/subscriptions", "read", False),
        ("DELETE", "/v1/alerts/rules/a", "read", False),
        ("POST", "/v1/identities", "identity", False),
        ("GET", "/v1/overrides", "admin", False),
        ("POST", "/v1/a-path-of-tomorrow", "admin", False),
        ("TRACE", "/v1/users/x:a", "admin", False),
        ("GET", "/metrics", "admin", False),
        ("GET", "/healthz", None, True),
        ("POST", "/1/klout.json", None, True),
        ("GET", "/v1x", None, True),
    ],
)
def test_each_path_needs_its_scope(method: str, path: str, scope: str | None, is_public: bool) -> None:
    """What the table does not name needs admin."""
    rule = rule_of(method, path)
    assert (rule.scope, rule.is_public) == (scope, is_public)


def test_forwarded_addresses_count_only_from_trusted_proxies() -> None:
    """A client cannot choose its own address."""
    proxies = parse_networks("CLOUT_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")
    direct, proxied = {"client": ("203.0.113.9", 1)}, {"client": ("10.0.0.1", 1)}
    assert client_address(direct, "198.51.100.1", proxies) == "203.0.113.9"
    assert client_address(proxied, "1.1.1.1, 198.51.100.1, 10.2.2.2", proxies) == "198.51.100.1"
    assert client_address(proxied, None, proxies) == "10.0.0.1"
    assert client_address({"client": None}, None, proxies) == ""
    assert limit_name("2001:db8:1:2:3::4") == limit_name("2001:db8:1:2:ffff::")
    assert limit_name("::ffff:192.0.2.1") == limit_name("192.0.2.1")


def test_a_network_that_is_none_is_refused_with_its_setting() -> None:
    """The message says which."""
    with pytest.raises(ConfigError, match="CLOUT_TRUSTED_PROXIES"):
        parse_networks("CLOUT_TRUSTED_PROXIES", "10.0.0.0/99")


def test_durations_have_a_unit() -> None:
    """A bare number is refused with the option."""
    assert duration_ms("--expires", "90d") == 90 * 86_400_000
    with pytest.raises(ConfigError, match="--expires 90"):
        duration_ms("--expires", "90")


def test_the_table_keeps_the_newest_of_each_id() -> None:
    """What does not decode, or stands under another id, changes nothing."""
    table, seen = ControlTable(), []
    table.listen(lambda record_id, record: seen.append((record_id, record is not None)))
    record = Override("override:x:a", "x:a", "block", 1)
    assert table.apply(record.id, encode(record))
    assert not table.apply(record.id, b"{")
    assert not table.apply("override:x:b", encode(record))
    assert not table.apply(record.id, b'{"type":"of tomorrow","id":"override:x:a"}')
    assert table.get(record.id, Override) == record
    assert table.get(record.id, ApiKey) is None
    assert table.forget_all_but([]) == [record.id]
    assert seen == [(record.id, True), (record.id, False)]


def test_a_retry_is_told_in_whole_seconds() -> None:
    """Rounded up: who comes back then is let in."""
    assert LimitedError("", 0.01).headers() == {"Retry-After": "1"}
    assert LimitedError("", 2.1).headers() == {"Retry-After": "3"}


def test_secrets_are_not_in_a_key_record() -> None:
    """Only their hash."""
    text = new_key()
    record = ApiKey(id=text.id, name="a", scopes=["read"], secrets=[KeySecret(text.hash())], created=0)
    assert text.secret.encode() not in msgspec.json.encode(record)
