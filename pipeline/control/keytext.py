"""
The text of an API key: `clout_`, the id, the secret and a check sum.

The prefix lets scanners find leaked keys, the check sum lets them and us refuse a mistyped one without a look-up.
"""

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "clout"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES: Final = 32
_SECRET_LENGTH: Final = 43
"""256 bits in base 62."""
_CHECK_LENGTH: Final = 6
"""32 bits in base 62."""
_ID_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its holder has it."""

    id: str
    """The id of the control record: `key:` and 16 hexadecimal digits."""
    secret: str

    def __str__(self) -> str:
        """Return the text that is shown once."""
        body = f"{_PREFIX}_{self.id.removeprefix('key:')}_{self.secret}"
        return body + _check(body)

    def hash(self) -> str:
        """Return what is stored instead of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, stored: str) -> bool:
        """Compare with a stored hash, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.hash(), stored)


def new_key(key_id: str | None = None) -> KeyText:
    """Return a key with a new secret, and with a new id unless one is given."""
    secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET_LENGTH)
    return KeyText(key_id or f"key:{secrets.token_hex(_ID_LENGTH // 2)}", secret)


def parse_key(text: str) -> KeyText | None:
    """Return the key that a text holds, or None where it cannot be one."""
    body, check = text[:-_CHECK_LENGTH], text[-_CHECK_LENGTH:]
    prefix, _, rest = body.partition("_")
    name, _, secret = rest.partition("_")
    shaped = prefix == _PREFIX and len(name) == _ID_LENGTH and len(secret) == _SECRET_LENGTH and body.isascii()
    return KeyText(f"key:{name}", secret) if shaped and _check(body) == check else None


def _check(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
