"""Nostr's events: decoded, and verified as NIP-01 says."""

import json
from hashlib import sha256
from typing import Annotated, TypeAlias

import msgspec
from coincurve import PublicKeyXOnly

Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

Tag: TypeAlias = list[str]


class Event(msgspec.Struct, gc=False, frozen=True):
    """A signed event."""

    id: Hex32
    pubkey: Hex32
    created_at: Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
    kind: Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]
    tags: list[Tag]
    content: str
    sig: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]

    def tagged(self, name: str) -> list[Tag]:
        """Return the tags of a name that have a value."""
        return [tag for tag in self.tags if len(tag) > 1 and tag[0] == name]


def is_signed(event: Event) -> bool:
    """Tell whether the id is that of the content, and the signature that of the author."""
    signed = [0, event.pubkey, event.created_at, event.kind, event.tags, event.content]
    digest = sha256(json.dumps(signed, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")).digest()
    if digest.hex() != event.id:
        return False
    try:
        return PublicKeyXOnly(bytes.fromhex(event.pubkey)).verify(bytes.fromhex(event.sig), digest)
    except ValueError:
        # Not every 32 bytes are a key.
        return False
