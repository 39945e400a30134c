"""API keys for tests."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from pipeline.control.keytext import KeyText, new_key
from pipeline.control.writer import ControlWriter
from pipeline.errors import BrokerUnavailableError
from pipeline.settings import Settings
from schemas import ApiKey, Control, KeySecret, Scope
from tests.support.cluster import Role
from tests.support.eventually import eventually

_UNKNOWN: Final = {401, 503}
"""The service has not read the key yet, or no key at all."""


def write_control(settings: Settings, *records: Control, deleted: tuple[str, ...] = ()) -> None:
    """Write control records, then tombstones; again where the broker is slow to answer, which changes nothing."""

    async def write() -> bool:
        writer = ControlWriter(settings)
        try:
            for record in records:
                await writer.put(record)
            for record_id in deleted:
                await writer.delete(record_id)
        except BrokerUnavailableError:
            return False
        finally:
            await writer.close()
        return True

    eventually(lambda: asyncio.run(write()), 60, "the control records are written")


def make_key(*scopes: Scope, text: KeyText | None = None, **changes: Any) -> tuple[KeyText, ApiKey]:
    """Return a key's text and its record."""
    key = text or new_key()
    fields: dict[str, Any] = {"secrets": [KeySecret(key.hash())], "created": time.time_ns() // 1_000_000, **changes}
    return key, ApiKey(id=key.id, name="test", scopes=list(scopes), **fields)


def create_key(settings: Settings, *scopes: Scope, **changes: Any) -> str:
    """Create a key and return its text."""
    key, record = make_key(*scopes, **changes)
    write_control(settings, record)
    return str(key)


def bearer(key: str) -> dict[str, str]:
    """Return the header that a key travels in."""
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def client_with(key: str, serve: Role) -> Iterator[httpx.Client]:
    """Give a client of a service that knows the client's key."""
    with httpx.Client(base_url=serve.url, headers=bearer(key), timeout=60) as client:
        eventually(lambda: client.get("/v1/leaderboard").status_code not in _UNKNOWN, 60, "the key is known")
        yield client
