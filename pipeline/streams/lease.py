"""
A lease: for how long a worker may write on its coordinator's word that it is a member of the group.

A worker that stood still for longer may have a successor, which has emitted documents that ours, of a greater sum of
offsets, would take back. So each write looks at its lease, and asks again when that has run out.

Source: C. Gray, D. Cheriton, Leases, SOSP 1989. The clock is monotonic: it goes on while a process is stopped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pipeline.errors import BrokerUnavailableError, MembershipLostError

AGAIN_S: Final = 0.1
"""Pause before a coordinator that does not answer is asked once more."""

PATIENCE_S: Final = 60.0
"""How long it may not answer: twice as long as one request."""


@dataclass(slots=True)
class Heard:
    """When the last heartbeats were sent to which the coordinator gave an answer, monotonic seconds."""

    member: float = float("-inf")
    """That this worker is a member."""
    at_rest: float = float("-inf")
    """That it is, and that the group does not form anew."""


class Lease:
    """
    The lease of one worker.

    Args:
        ask: Sends a heartbeat: whether this worker still is a member; None when the coordinator does not answer.
        heard: What heartbeats were answered until now.
        silent_s: Less than a member may be silent.
        forming_s: Less than a group that forms anew waits for a member to join.
        clock: Seconds, the clock of what was heard.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[bool | None]],
        heard: Callable[[], Heard],
        silent_s: float,
        forming_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._heard = heard
        self._silent_s = silent_s
        self._forming_s = forming_s
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None

    def _lasts(self) -> bool:
        heard = self._heard()
        return self._clock() <= min(heard.member + self._silent_s, heard.at_rest + self._forming_s)

    async def renew(self) -> bool | None:
        """Ask, in the worker's loop, and return the answer."""
        self._loop = asyncio.get_running_loop()
        return await self._ask()

    async def require(self) -> None:
        """
        Return while the lease lasts, else when it is renewed; in any loop, after `renew`.

        Raises:
            MembershipLostError: This worker is a member no more, or the group may have gone on without it.
            BrokerUnavailableError: The coordinator does not answer.
        """
        assert self._loop is not None
        give_up = self._clock() + PATIENCE_S
        while not self._lasts():
            asked = asyncio.run_coroutine_threadsafe(self.renew(), self._loop)
            member = await asyncio.wrap_future(asked)
            if self._lasts():
                return
            # In a group at rest nobody gives back what is dropped on a mere suspicion: an answer may be late.
            if member is False or (member and self._heard().at_rest < self._heard().member):
                raise MembershipLostError("the group may have given the partitions of this worker to others")
            if self._clock() > give_up:
                raise BrokerUnavailableError(
                    f"the group's coordinator has not answered in time for {PATIENCE_S:.0f} s: start the worker again "
                    "when the broker is well; it continues from the last commit"
                )
            await asyncio.sleep(AGAIN_S)
