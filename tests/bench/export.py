"""How fast `clout export` writes what Redis holds."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.local.guard import Guard
from pipeline.lookup import keys
from pipeline.lookup.connection import connect
from pipeline.lookup.export.kinds import EXPORTED
from pipeline.lookup.export.run import export
from pipeline.lookup.history.series import HOUR_MS, Point, Series
from tests.support.cluster import Valkey
from tests.unit.lookup.documents import details_bytes, score_bytes

USERS: Final = 200_000
_AT_ONCE: Final = 5_000
_TIME: Final = 1_783_175_000_000


def measured(guard: Guard, directory: Path, users: int = USERS) -> dict[str, float]:
    """Fill a Valkey with users, each with 8 frequent actors and 8 points of history, and export all."""
    valkey = Valkey(guard, directory)
    try:
        return asyncio.run(_measured(valkey.url, directory, users))
    finally:
        valkey.kill()


async def _measured(url: str, directory: Path, users: int) -> dict[str, float]:
    await _fill(url, users)
    figures: dict[str, float] = {"users": users}
    table = Table(title=f"clout export, {users:,} users", title_justify="left")
    for column in ("file", "users/s", "CPU us/user", "MB"):
        table.add_column(column, justify="left" if column == "file" else "right")
    for what in EXPORTED:
        for suffix in ("ndjson", "parquet"):
            path = directory / f"{what}.{suffix}"
            began = time.process_time()
            done = await export(url, what, path)
            cpu, size = time.process_time() - began, _taken(path)
            figures[f"{what}_{suffix}_users_s"] = users / done.seconds
            table.add_row(path.name, f"{users / done.seconds:,.0f}", f"{cpu / users * 1e6:.1f}", f"{size / 1e6:,.0f}")
    Console(width=100).print(table)
    return figures


def _taken(path: Path) -> int:
    """Return how long a file was, and remove it."""
    size = path.stat().st_size
    path.unlink()
    return size


async def _fill(url: str, users: int) -> None:
    score, details = score_bytes("x:USER"), details_bytes("x:USER", {f"x:a{n}": 3 for n in range(8)}, tags=["physics"])
    history = Series([Point(_TIME + n * HOUR_MS, 12.5 + n) for n in range(8)], 1).encode()
    redis = connect(url, 30)
    for first in range(0, users, _AT_ONCE):
        names = [f"x:{number}" for number in range(first, first + _AT_ONCE)]
        values: Mapping[str, bytes] = {
            key: value
            for name in names
            for key, value in (
                (keys.user(name), score.replace(b"x:USER", name.encode())),
                (keys.details(name), details.replace(b"x:USER", name.encode())),
                (keys.history(name), history),
            )
        }
        await redis.mset(values)
        await redis.hset(keys.HEADS, mapping=dict.fromkeys(names, "1 50"))  # type: ignore[misc]
    await redis.set(keys.AS_OF, msgspec.json.encode(_TIME))
    await redis.aclose()
