"""Running the worker as a process."""

import asyncio
import faulthandler
import signal
import sys
from typing import Final

import stamina
import uvloop
from faust import Worker

from pipeline.errors import BrokerUnavailableError
from pipeline.local.ports import require_free
from pipeline.logs import configure, get_logger
from pipeline.settings import get_settings
from pipeline.streams.leaving import leave
from pipeline.topics import ensure_topics

_log = get_logger(__name__)

SWITCH_S: Final = 0.0005
"""How long a thread waits for the interpreter. Consumer and producer have little to do at a time, but at once."""


async def _wait_for_broker() -> None:
    settings = get_settings()
    async for attempt in stamina.retry_context(
        BrokerUnavailableError, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            try:
                await ensure_topics(settings)
            except BrokerUnavailableError as exc:
                _log.warning(str(exc), attempt=attempt.num)
                raise


def run() -> None:
    """
    Run the worker until it is told to stop; leaves with its exit status.

    Raises:
        ConfigError: Its port is taken.
        BrokerRefusesError: The broker does not let it in.
    """
    faulthandler.enable()
    settings = get_settings()
    configure(settings)
    sys.setswitchinterval(SWITCH_S)
    uvloop.install()
    require_free(settings.worker_port, "the worker", "choose another one with CLOUT_WORKER_PORT")
    asyncio.run(_wait_for_broker())
    from pipeline.streams.app import app

    worker = Worker(
        app,
        loglevel="WARN",
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
        loop=asyncio.new_event_loop(),
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as exc:
        leave(exc.code)
    except KeyboardInterrupt:
        # Before Faust has a handler of its own, or after.
        leave(128 + signal.SIGINT)
