"""A signed request: who says that they signed it, and whether they did. RSA with SHA-256, as the fediverse has it."""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_FRESH_S: Final = 3_600.0
_KEY_BITS: Final = range(1024, 8193)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Who says that they signed a request, and what."""

    key_id: str
    signed: tuple[bytes, ...]
    """One of these."""
    signature: bytes


def is_valid(claim: SignedRequest, pem: str) -> bool:
    """Tell whether the owner of a public key made a signature."""
    try:
        key = load_pem_public_key(pem.encode())
    except (UnsupportedAlgorithm, ValueError):
        return False
    if not isinstance(key, RSAPublicKey) or key.key_size not in _KEY_BITS:
        return False
    return any(_signs(key, claim.signature, signed) for signed in claim.signed)


def is_fresh(made_s: float, now: int) -> bool:
    """Tell whether something signed at a time (Unix s) may still come `now` (Unix ms)."""
    return abs(made_s - now / 1_000) <= _FRESH_S


def decoded(signature: str) -> bytes | None:
    """Return the bytes of a signature, or None."""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None


def _signs(key: RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
