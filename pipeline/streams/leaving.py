"""How the process leaves: it has threads that Python cannot end."""

import os
import sys
import threading
from typing import NoReturn

from pipeline.logs import get_logger

_log = get_logger(__name__)


def leave(status: str | int | None) -> NoReturn:
    """
    Leave at once: a thread that is still in compiled code must not find its interpreter taken down.

    Args:
        status: As `SystemExit` has it: a number, None for 0, or a message, which is 1.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def leave_after(seconds: float, status: int) -> threading.Timer:
    """Leave when that time has passed, whatever the loops are busy with; unless the timer is cancelled."""
    deadline = threading.Timer(seconds, _leave_unstopped, (seconds, status))
    deadline.daemon = True
    deadline.start()
    return deadline


def _leave_unstopped(seconds: float, status: int) -> None:
    _log.warning("a part of the worker does not stop: left; what was not committed is read again", seconds=seconds)
    leave(status)
