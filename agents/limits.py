"""What the contract allows, for those who map from outside."""

from collections.abc import Iterable
from typing import Final

ID_LIMIT: Final = 512
"""The longest id on the wire, in characters."""
TEXT_LIMIT: Final = 2048
"""The longest name or address of a profile."""
_TAGS: Final = 64
_TAG_LENGTH: Final = 128


def tags_of(words: Iterable[str | None]) -> list[str] | None:
    """Return hashtags as a record may have them: each once, none too long, not too many; None where there are none."""
    kept = dict.fromkeys(word for word in words if word and len(word) <= _TAG_LENGTH)
    return list(kept)[:_TAGS] or None
