"""Reading a source that is away now and then."""

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import stamina

from agents.protocol import Agent, Batch, Position
from pipeline.errors import AccessRefusedError, SourceUnavailableError

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
"""A public source that comes back meets all its clients at once: hence the jitter, up to as much again at first."""
_REFUSED: Final = dt.timedelta(minutes=5)
"""A token is renewed by a person: asking more often only gets an address blocked."""


async def read(agent: Agent, position: Position | None) -> AsyncGenerator[Batch]:
    """
    Yield what an agent reads; when its source is away, go on after a pause from the last batch's position.

    Pauses grow from half a second to half a minute, with jitter, and begin anew once something was read.
    """
    failure: SourceUnavailableError | None = None
    while True:
        batches, batch = await _open(agent, position, failure)
        async with aclosing(batches):
            try:
                while batch is not None:
                    position = batch.position or position
                    yield batch
                    batch = await anext(batches, None)
            except SourceUnavailableError as exc:
                failure = exc
            else:
                return


async def _open(
    agent: Agent, position: Position | None, failure: SourceUnavailableError | None
) -> tuple[AsyncGenerator[Batch], Batch | None]:
    """Return what the agent reads from a position on, and the first batch of it, after as many attempts as it takes."""
    async for attempt in stamina.retry_context(
        on=_pause, attempts=None, timeout=None, wait_initial=_FIRST_S, wait_max=_LONGEST_S, wait_jitter=_FIRST_S
    ):
        with attempt:
            if failure is not None:
                # Something was read before this failure: it is the first of a new row, and is waited for as such.
                earlier, failure = failure, None
                raise earlier
            batches = agent.batches(position)
            try:
                return batches, await anext(batches, None)
            except BaseException:
                await batches.aclose()
                raise
    raise AssertionError("it is tried for ever")


def _pause(exc: Exception) -> bool | dt.timedelta:
    if isinstance(exc, AccessRefusedError):
        return _REFUSED
    return isinstance(exc, SourceUnavailableError)
