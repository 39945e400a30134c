"""Where a request comes from."""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

from pipeline.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_SITE: Final = 64
"""Bits of an IPv6 address that stand for one customer: within them, changing the address costs nothing."""


def parse_networks(setting: str, text: str) -> tuple[Network, ...]:
    """
    Return the networks of a list with commas: `10.0.0.0/8, 127.0.0.1`.

    Raises:
        ConfigError: One is none; the setting is named.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as exc:
        raise ConfigError(f"{setting}={text}: {exc}; give networks with commas, for example 10.0.0.0/8") from exc


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether an address is in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


def client_address(scope: Any, forwarded: str | None, proxies: Sequence[Network]) -> str:
    """
    Return the address of who sent a request.

    `X-Forwarded-For` counts as far as trusted proxies wrote it: read from its end, up to the first other address.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    hops = [part.strip() for part in forwarded.split(",")] if forwarded else []
    while hops and _is_trusted(address, proxies):
        address = hops.pop()
    return address


def is_loopback(text: str) -> bool:
    """Tell whether an address is this machine's own."""
    address = parse_address(text)
    return address is not None and address.is_loopback


def limit_name(address: str) -> str:
    """Return what shares a limit with an address: itself, or the 64 leading bits of IPv6."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
    return str(parsed or "unknown")


def parse_address(text: str) -> Address | None:
    """Return an address, an IPv4 one inside IPv6 as itself, or None where the text is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and is_within(parsed, proxies)
