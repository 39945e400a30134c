"""How the process leaves: it has threads that Python cannot end."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from pipeline.logs import get_logger

_log = get_logger(__name__)

LAST_WORDS_S: Final = 0.5
"""How long what is still to be said may hold up leaving."""


def leave(status: str | int | None) -> NoReturn:
    """
    Leave at once: a thread that is still in compiled code must not find its interpreter taken down.

    Args:
        status: As `SystemExit` has it: a number, None for 0, or a message, which is 1.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status if isinstance(status, int) else int(status is not None))


def leave_after(seconds: float, status: int) -> threading.Timer:
    """Leave when that time has passed, whatever the loops are busy with; unless the timer is cancelled."""
    return _timer(seconds, partial(_leave_unstopped, seconds, status))


def _leave_unstopped(seconds: float, status: int) -> None:
    # Whoever reads what we say may have stopped reading, and hold up whoever says something.
    _timer(LAST_WORDS_S, partial(os._exit, status))
    with suppress(OSError):
        _log.warning("a part of the worker does not stop: left; what was not committed is read again", seconds=seconds)
    leave(status)


def _timer(seconds: float, action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer
