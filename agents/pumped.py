"""Connections as a source: what their pumps put into one inbox, in batches."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import TypeVar

from agents.inbox import Inbox
from pipeline.errors import SourceUnavailableError

M = TypeVar("M", bytes, str, bytes | str)


async def pumped(
    inbox: Inbox[M], pumps: Sequence[Coroutine[None, None, None]], silence_s: float
) -> AsyncGenerator[list[M]]:
    """
    Yield what arrives while the pumps run.

    Raises:
        SourceUnavailableError: Nothing has arrived for `silence_s`, or a pump has ended the inbox.
    """
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        while True:
            async with asyncio.timeout(silence_s):
                arrived = await inbox.take()
            yield arrived
    except TimeoutError as exc:
        raise SourceUnavailableError(f"the server has said nothing for {silence_s:g} s") from exc
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
