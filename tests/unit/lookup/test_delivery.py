"""Where deliveries may go, how they are signed, and when they are tried again."""

import httpcore
import pytest

from pipeline.lookup.access.addresses import parse_networks
from pipeline.lookup.delivery.delivery import Delivery, message_id
from pipeline.lookup.delivery.egress import CheckedBackend, EgressError, url_flaw
from pipeline.lookup.delivery.http import HttpSender
from pipeline.lookup.delivery.schedule import PAUSES_S, next_attempt
from pipeline.lookup.delivery.signing import is_secret, new_secret, signature_headers
from schemas import WebhookChannel
from tests.support.receiver import receiver

HERE = parse_networks("X", "127.0.0.0/8")

FORBIDDEN = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "https://",
    "https:///path",
    "//example.com/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com/#fragment",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://exämple.com/",
    "https://exa mple.com/",
    "https://example.com/\r\nX-Injected: 1",
    "https://127.0.0.1/",
    "https://127.1.2.3/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://255.255.255.255/",
    "https://224.0.0.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2001:db8::1]/",
    "https://93.184.216.34:22/",
    "https://93.184.216.34:6379/",
    "https://[::ffff:169.254.169.254]/",
]
LOOPBACK_BY_NAME = ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "localhost", "0x7f000001"]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_forty_addresses_that_nothing_is_delivered_to(url: str) -> None:
    """Seen by their text alone."""
    assert url_flaw(url, ()) is not None


def test_public_addresses_are_delivered_to() -> None:
    """By TLS, at the usual ports."""
    for url in ("https://example.com/hook?a=b", "https://93.184.216.34:8443/", "https://[2606:4700::1111]/x"):
        assert url_flaw(url, ()) is None
    assert url_flaw("http://127.0.0.1:9999/x", HERE) is None


@pytest.mark.parametrize("name", LOOPBACK_BY_NAME)
async def test_names_that_mean_this_machine_are_refused_when_they_are_resolved(name: str) -> None:
    """Decimal, octal, hexadecimal, short: what counts is the address that comes of it."""
    backend = CheckedBackend((), is_tls=True)
    with pytest.raises(EgressError):
        await backend.connect_tcp(name, 443)


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """A name that changes its address between two questions is asked once."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    connected: list[str] = []

    async def rebinding(_: str, __: int) -> list[str]:
        return next(answers)

    class Inner(httpcore.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
            connected.append(host)
            raise httpcore.ConnectError

    backend = CheckedBackend((), is_tls=True, resolve=rebinding)
    backend._inner = Inner()  # type: ignore[assignment]
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("rebinding.example", 443)
    assert connected == ["93.184.216.34"]
    with pytest.raises(EgressError):
        await backend.connect_tcp("rebinding.example", 443)
    assert connected == ["93.184.216.34"]


async def test_of_several_addresses_a_public_one_is_taken() -> None:
    """And without TLS none."""

    async def both(_: str, __: int) -> list[str]:
        return ["10.0.0.1", "93.184.216.34"]

    with pytest.raises(EgressError):
        await CheckedBackend((), is_tls=False, resolve=both).connect_tcp("x.example", 80)
    with pytest.raises(EgressError):
        await CheckedBackend((), is_tls=True, resolve=both).connect_tcp("x.example", 22)


async def test_redirects_are_failures_and_answers_are_judged() -> None:
    """2xx alone is success, 410 ends it, Retry-After is heard."""
    with receiver() as there:
        answers = {
            "/ok": (200, {}),
            "/redirect": (302, {"Location": f"{there.url}/private"}),
            "/gone": (410, {}),
            "/busy": (503, {"Retry-After": "30"}),
        }
        there.answer = lambda path: answers[path]
        sender = HttpSender(HERE, lambda: 1_700_000_000_000)
        outcomes = {}
        for path in answers:
            channel = WebhookChannel(there.url + path, new_secret())
            delivery = Delivery(message_id(path), "key:a", "subscription:a", channel, "{}", "s", 0)
            outcomes[path] = await sender.send(delivery, channel)
        await sender.close()
        assert [outcome.result for outcome in outcomes.values()] == ["delivered", "retry", "gone", "retry"]
        assert "redirects" in outcomes["/redirect"].detail
        assert outcomes["/busy"].retry_after_s == 30
        assert not there.of("/private")
        assert there.of("/ok")[0].headers["webhook-id"] == message_id("/ok")


def test_signatures_are_those_of_standard_webhooks() -> None:
    """The example of the specification's libraries."""
    headers = signature_headers(
        "whsec_plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        1731705121,
        b'{"event_type":"ping","data":{"success":true}}',
    )
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_secrets_have_the_length_that_the_specification_wants() -> None:
    """24 to 64 bytes."""
    assert is_secret(new_secret())
    for text in ("", "whsec_", "whsec_AAAA", "whsec_!!!", new_secret().removeprefix("whsec_")):
        assert not is_secret(text)


def test_a_delivery_is_tried_for_a_day() -> None:
    """With growing pauses, never sooner than the receiver asked for, and then no more."""
    at, attempts = 0, 1
    while (again := next_attempt(attempts, at)) is not None:
        assert again > at
        at, attempts = again, attempts + 1
    assert attempts == len(PAUSES_S) + 1
    assert 22 * 3_600_000 < at < 28 * 3_600_000
    asked = next_attempt(1, 0, retry_after_s=600)
    assert asked is not None
    assert asked >= 600_000
