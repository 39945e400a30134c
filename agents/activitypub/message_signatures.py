"""
HTTP Message Signatures (RFC 9421), as Mastodon documents them for the fediverse.

    Signature-Input: sig1=("@method" "@target-uri" "content-digest");created=1748341414;keyid="https://.."
    Signature: sig1=:BASE64:
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from agents.activitypub.digests import has_content_digest
from agents.activitypub.signed import SignedRequest, decoded, is_fresh
from agents.receiver import Request

_MEMBER: Final = re.compile(
    r'(?:^|,)\s*([a-z*][a-z0-9_.*-]*)=(\(([^()]*)\)((?:;\s*[a-z][a-z0-9_.*-]*=(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.:/*-]+))+))'
)
"""Label, all that the last line of what is signed repeats, names, parameters."""
_PARAMETER: Final = re.compile(r';\s*([a-z][a-z0-9_.*-]*)=(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_.:/*-]+))')
_NAME: Final = re.compile(r'"([a-z0-9@_.-]+)"')
_ALGORITHMS: Final = {None, "rsa-v1_5-sha256"}
"""Without a name the key says which: the fediverse's keys are RSA."""
_MEMBERS: Final = 4
"""Signatures of one request that are looked at: a proxy may have added its own."""


def parse(request: Request, now: int) -> SignedRequest | None:
    """
    Return what a request claims; None where none of its signatures is as it must be.

    Args:
        request: With the headers as they were sent.
        now: Unix ms.
    """
    if not has_content_digest(request):
        return None
    members = _MEMBER.findall(request.headers.get("signature-input", ""))[:_MEMBERS]
    return next((found for member in members if (found := _claim(request, now, *member)) is not None), None)


def _claim(request: Request, now: int, label: str, repeated: str, listed: str, parameters: str) -> SignedRequest | None:
    given = {name: text or bare for name, text, bare in _PARAMETER.findall(parameters)}
    names = listed.split()
    if not names or not all(_NAME.fullmatch(name) for name in names) or given.get("alg") not in _ALGORITHMS:
        return None
    if not _is_enough({name.strip('"') for name in names}) or not given.get("keyid"):
        return None
    if not _is_current(given, now):
        return None
    bases = tuple(_bases(request, [name.strip('"') for name in names], repeated))
    match = re.search(rf"(?:^|,)\s*{re.escape(label)}=:([^:]*):", request.headers.get("signature", ""))
    signature = decoded(match[1]) if match else None
    return SignedRequest(given["keyid"], bases, signature) if bases and signature is not None else None


def _is_enough(names: set[str]) -> bool:
    """Tell whether a request cannot be sent again elsewhere, in another way, or with another body."""
    where = "@target-uri" in names or ("@authority" in names and names & {"@path", "@request-target"})
    return bool(where) and {"@method", "content-digest"} <= names


def _is_current(given: dict[str, str], now: int) -> bool:
    """Tell whether a signature was made not long ago, and has not expired."""
    created, expires = given.get("created", ""), given.get("expires", f"{now}")
    if not created.isdecimal() or not expires.isdecimal():
        return False
    return is_fresh(int(created[:15]), now) and int(expires[:15]) * 1_000 > now


def _bases(request: Request, names: Sequence[str], repeated: str) -> Iterator[bytes]:
    """Yield what may have been signed: behind a proxy nobody knows whether the sender came by https or http."""
    for scheme in ("https", "http") if {"@target-uri", "@scheme"}.intersection(names) else ("https",):
        lines = [(name, _value(request, name, scheme)) for name in names]
        if None in dict(lines).values():
            return
        text = "".join(f'"{name}": {value}\n' for name, value in lines) + f'"@signature-params": {repeated}'
        yield text.encode("latin-1", "replace")


def _value(request: Request, name: str, scheme: str) -> str | None:
    host = request.headers.get("host", "").lower()
    path, mark, query = request.target.partition("?")
    derived = {
        "@method": request.method,
        "@target-uri": f"{scheme}://{host}{request.target}",
        "@authority": host.removesuffix(":443" if scheme == "https" else ":80"),
        "@scheme": scheme,
        "@request-target": request.target,
        "@path": path or "/",
        "@query": f"?{query}" if mark else "?",
    }
    if name.startswith("@"):
        return derived.get(name)
    value = request.headers.get(name)
    return None if value is None else value.strip()
