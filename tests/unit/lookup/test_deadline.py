"""Deadlines of a loop that may stand still."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from pipeline.lookup.deadline import within

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_an_answer_that_came_while_the_loop_stood_still_is_read(new_loop: Any) -> None:
    """It lies in the socket, and the deadline has passed: the answer counts."""

    async def ask() -> bytes:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        with there:
            asyncio.get_running_loop().call_soon(_stall_after_answering, there)
            async with within(0.2):
                answer = await reader.read(1)
        writer.close()
        await writer.wait_closed()
        return answer

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(ask()) == b"x"


def _stall_after_answering(there: socket.socket) -> None:
    there.sendall(b"x")
    time.sleep(0.5)


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_what_does_not_come_is_not_waited_for(new_loop: Any) -> None:
    """Also when the loop stands still."""

    async def ask() -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)
        async with within(0.2):
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(TimeoutError):
        runner.run(ask())
