"""
Exports what Redis holds.

From Redis, not from the topics: there is one newest document of each user there, and the whole history in one string.
The topics hold every version since the last compaction, a day's at least: many times as much to read, and every
document to keep in memory until the end tells which is the newest.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StoreUnavailableError
from pipeline.lookup import keys
from pipeline.lookup.export.files import written
from pipeline.lookup.export.kinds import EXPORTED, KindName
from pipeline.lookup.export.pages import everyone
from pipeline.lookup.export.progress import progress
from pipeline.lookup.store import ScoreStore


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds."""

    users: int
    rows: int
    as_of: int
    """The greatest event time of all scores when it began, Unix ms; 0 where there is none."""
    seconds: float


async def export(redis_url: str, what: KindName, path: Path) -> Exported:
    """
    Write what Redis holds of every user to a file, whole or not at all.

    Raises:
        StoreUnavailableError: Redis does not answer, or is being filled again and has not everyone yet.
        ConfigError: The file cannot be written.
    """
    began, users, kind = time.monotonic(), 0, EXPORTED[what]
    as_of = await _checked(redis_url)
    with written(path, kind) as file, progress(what) as show:
        async with everyone(redis_url, kind.key) as pages:
            total = await pages.total()
            async for page in pages:
                file.add(page)
                users += len(page)
                show(pages.met, total)
    return Exported(users, file.rows, as_of, time.monotonic() - began)


async def _checked(redis_url: str) -> int:
    """Return how new the scores are; half of them would look like all."""
    store = ScoreStore.from_url(redis_url)
    try:
        if (await store.freshness()).rebuilding:
            raise StoreUnavailableError("Redis is being filled again from the log and has not everyone yet: try again")
        (as_of,) = await store.values([keys.AS_OF])
    finally:
        await store.aclose()
    return int(as_of or 0)
