"""The Lua scripts that Redis runs, each in a file of its own."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError


class Script:
    """A script by the name of its file, behind the file of what it shares with others."""

    def __init__(self, name: str, shared: str | None = None) -> None:
        self._source = "".join(_read(part) for part in (shared, name) if part)
        # Redis names scripts so.
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, *arguments: bytes | str | float) -> Any:
        """Run it, sending it first when Redis does not know it: once, and after each restart."""
        execute: Callable[..., Awaitable[Any]] = redis.execute_command
        try:
            return await execute("EVALSHA", self._sha, 0, *arguments)
        except NoScriptError:
            return await execute("EVAL", self._source, 0, *arguments)

    def queue(self, pipe: Pipeline, *arguments: bytes | str | float) -> None:
        """Run it within a transaction, which answers `NoScriptError` when Redis does not know it."""
        pipe.execute_command("EVALSHA", self._sha, 0, *arguments)


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text()


FINISH_REBUILD = Script("finish_rebuild")
RANK_PAGE = Script("rank_page")
TAKE_TOKENS = Script("take_tokens")
ENQUEUE = Script("enqueue")
CLAIM_DELIVERIES = Script("claim_deliveries")
FINISH_DELIVERY = Script("finish_delivery")
RELEASE_DESTINATION = Script("release_destination")
