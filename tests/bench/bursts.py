"""
Live synthetic traffic at a rate, and beside it users who suddenly get many likes, with a note of when.

Run as `python -m tests.bench.bursts RATE SECONDS OUTPUT`. The users have some history first.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from agents.publisher import Publisher
from agents.routes import Routes
from pipeline.clock import system_clock
from pipeline.settings import Settings, get_settings
from schemas import Engagement
from tests.bench.live import publish

USERS: Final = 240
LIKES: Final = 40
WARM_UP_S: Final = 10.0
A_SECOND: Final = 8.0
_HISTORY: Final = 24
"""Likes of each user before, a quarter of an hour apart."""
_QUARTER_MS: Final = 900_000


def user(number: int) -> str:
    """Return the id of a user who gets a burst."""
    return f"x:star{number}"


def likes(number: int, times: list[int], sort: str) -> list[Engagement]:
    """Return likes of a user's post by as many people."""
    return [
        Engagement(f"x:{sort}-{number}-{i}", "like", "x", f"x:{sort}{i}", user(number), at, object=f"post{number}")
        for i, at in enumerate(times)
    ]


async def bursts(settings: Settings) -> dict[str, float]:
    """Publish the history, wait, publish the bursts in turn, and return when each was handed over (Unix s)."""
    routes, publisher = Routes(settings), Publisher(settings)
    await publisher.start()
    now = system_clock()
    for number in range(USERS):
        times = [now - _QUARTER_MS * back for back in range(_HISTORY, 0, -1)]
        await publisher.publish(routes.route(likes(number, times, "reader")))
    await publisher.flush()
    handed = {}
    async for number in _paced(WARM_UP_S):
        now = system_clock()
        handed[user(number)] = now / 1000
        await publisher.publish(routes.route(likes(number, [now] * LIKES, "fan")))
    await publisher.flush()
    await publisher.stop()
    return handed


async def _paced(delay_s: float) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    began = loop.time() + delay_s
    for number in range(USERS):
        await asyncio.sleep(began + number / A_SECOND - loop.time())
        yield number


async def run(settings: Settings, rate: float, seconds: float) -> dict[str, float]:
    """Publish both."""
    _, handed = await asyncio.gather(publish(settings, rate, seconds), bursts(settings))
    return handed


def main() -> None:
    """Publish and write the notes."""
    rate, seconds, output = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        handed = runner.run(run(get_settings(), float(rate), float(seconds)))
    Path(output).write_bytes(msgspec.msgpack.encode(handed))


if __name__ == "__main__":
    main()
