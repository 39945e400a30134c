"""Clients of a real Valkey whose event loop stands still."""

import asyncio
import time

import pytest

from pipeline.lookup.connection import connect
from tests.support.cluster import Valkey

pytestmark = pytest.mark.integration

DEADLINE_S = 5.0


async def test_a_command_is_not_sent_twice_because_the_loop_stood_still(own_valkey: Valkey) -> None:
    """Whatever turn of the loop takes longer than the deadline: the answer lies in the socket by then."""
    clients = {f"count{turns}": connect(own_valkey.url, DEADLINE_S) for turns in range(8)}
    assert [await client.incr(name) for name, client in clients.items()] == [1] * 8
    asked = []
    # No answer comes before the loop stands still.
    own_valkey.freeze()
    for name, client in clients.items():
        # Whoever was asked before is a turn further each time.
        await asyncio.sleep(0)
        asked.append(asyncio.ensure_future(client.incr(name)))
    own_valkey.thaw()
    time.sleep(DEADLINE_S + 0.5)
    assert await asyncio.gather(*asked) == [2] * 8
    await asyncio.gather(*(client.aclose() for client in clients.values()))
