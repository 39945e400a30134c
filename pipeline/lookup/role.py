"""Runs a role as a process: logs, the event loop, a clean end on SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.errors import PipelineError
from pipeline.logs import configure, get_logger
from pipeline.settings import Settings

log = get_logger(__name__)

_CANCEL_AGAIN_S: Final = 6.0
"""A role ends in less; a cancellation that got lost on its way is repeated, so that 10 s are enough."""


def run_role(settings: Settings, role: Callable[[], Awaitable[None]]) -> int:
    """Run `role` until it ends or a signal cancels it, and return the exit status."""
    configure(settings)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_until_signal(role))
    except PipelineError as exc:
        log.error(str(exc))  # noqa: TRY400 - the message says it all; a traceback would bury it
        return 1
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


async def _until_signal(role: Callable[[], Awaitable[None]]) -> None:
    running = asyncio.ensure_future(role())
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    waiting = asyncio.create_task(signalled.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    while not running.done():
        running.cancel()
        await asyncio.wait({running}, timeout=_CANCEL_AGAIN_S)
    waiting.cancel()
    if running.cancelled():
        log.info("stopped")
    else:
        running.result()
