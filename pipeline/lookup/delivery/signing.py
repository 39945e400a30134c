"""Signatures by Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 24


def new_secret() -> str:
    """Return a new secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Tell whether a text is a secret: `whsec_` and Base64 of 24 to 64 bytes."""
    try:
        return text.startswith(_PREFIX) and 24 <= len(_key(text)) <= 64
    except (binascii.Error, ValueError):
        return False


def signature_headers(secret: str, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that say who sent a message, and when (Unix seconds)."""
    signed = b".".join((message_id.encode(), str(time_s).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(time_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
