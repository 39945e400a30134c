"""A client of a real Valkey whose event loop stands still now and then."""

import asyncio
import time

import pytest

from pipeline.lookup.connection import connect

pytestmark = pytest.mark.integration


async def test_a_command_is_not_sent_twice_because_the_loop_stood_still(redis_url: str) -> None:
    """Whatever turn of the loop takes longer than the deadline: the answer lies in the socket by then."""
    client = connect(redis_url, 1.0)
    assert await client.incr("count") == 1
    for turns in range(8):
        asked = asyncio.ensure_future(client.incr("count"))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(1.2)
        assert await asked == turns + 2
    await client.aclose()
