"""Web addresses, as far as they say whose a page is."""

from urllib.parse import urldefrag, urlsplit

_PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str:
    """Return the host of a web address, with the port where it is not the usual one; nothing of what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.lower().removesuffix(".")
    return host if port in {None, _PORTS[parts.scheme]} else f"{host}:{port}"


def is_same(one: str, other: str) -> bool:
    """Tell whether two addresses are the same, apart from the slash after a mere host."""
    return one == other or _plain(one) == _plain(other)


def without_fragment(url: str) -> str:
    """Return the address of the page."""
    return urldefrag(url).url


def _plain(url: str) -> str:
    return url.removesuffix("/") if url.count("/") == 3 else url
