"""Whether a body is the one that was signed: Digest (RFC 3230) and Content-Digest (RFC 9530)."""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final

from agents.receiver import Request

_HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_MEMBER: Final = re.compile(r"\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]*):\s*", re.IGNORECASE)


def has_digest(request: Request) -> bool:
    """Tell whether the header Digest names the body; each hash in it that is known must be right."""
    pairs = (part.strip().partition("=")[::2] for part in request.headers.get("digest", "").split(","))
    return _are_right({name.lower(): value for name, value in pairs}, request.body)


def has_content_digest(request: Request) -> bool:
    """Tell the same of the header Content-Digest."""
    members = [_MEMBER.fullmatch(part) for part in request.headers.get("content-digest", "").split(",")]
    return None not in members and _are_right({m[1].lower(): m[2] for m in members if m}, request.body)


def _are_right(given: dict[str, str], body: bytes) -> bool:
    known = given.keys() & _HASHES.keys()
    return bool(known) and all(_is_right(name, given[name], body) for name in known)


def _is_right(name: str, given: str, body: bytes) -> bool:
    try:
        digest = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(digest, _HASHES[name](body).digest())
