"""HTTP Signatures as the fediverse uses them: draft-cavage-http-signatures-12 with RSA and SHA-256."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from agents.receiver import Request

_FIELD: Final = re.compile(r'(\w+)="([^"]*)"')
_NEEDED: Final = {"(request-target)", "host", "date", "digest"}
"""What must be signed: else a request could be sent again elsewhere, later, or with another body."""
_FRESH: Final = timedelta(hours=1)
_KEY_BITS: Final = range(1024, 8193)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Who says that they signed a request, and what."""

    key_id: str
    signed: bytes
    signature: bytes


def parse(request: Request, now: int) -> SignedRequest | None:
    """
    Return what a request claims; None where it is not signed as it must be.

    Args:
        request: With the headers as they were sent.
        now: Unix ms.
    """
    fields = dict(_FIELD.findall(request.headers.get("signature", "")))
    names = fields.get("headers", "date").lower().split()
    if "keyId" not in fields or not _NEEDED.issubset(names) or not _has_digest(request) or not _is_fresh(request, now):
        return None
    lines = []
    for name in names:
        if name == "(request-target)":
            lines.append(f"{name}: {request.method.lower()} {request.target}")
        elif name in request.headers:
            lines.append(f"{name}: {request.headers[name]}")
        else:
            return None
    try:
        signature = base64.b64decode(fields.get("signature", ""), validate=True)
    except binascii.Error:
        return None
    return SignedRequest(fields["keyId"], "\n".join(lines).encode("latin-1", "replace"), signature)


def is_valid(signed: SignedRequest, pem: str) -> bool:
    """Tell whether the owner of a public key made a signature."""
    try:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, RSAPublicKey) or key.key_size not in _KEY_BITS:
            return False
        key.verify(signed.signature, signed.signed, PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _has_digest(request: Request) -> bool:
    given = request.headers.get("digest", "")
    expected = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    return any(
        part.partition("=")[0].strip().upper() == "SHA-256"
        and hmac.compare_digest(part.partition("=")[2].strip().encode(), expected.encode())
        for part in given.split(",")
    )


def _is_fresh(request: Request, now: int) -> bool:
    try:
        date = parsedate_to_datetime(request.headers.get("date", ""))
    except ValueError:
        return False
    return date.tzinfo is not None and abs(date.timestamp() - now / 1_000) <= _FRESH.total_seconds()
