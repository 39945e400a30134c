"""
A lease: for how long a worker may write on its coordinator's word that it is a member of the group.

A worker that stood still for longer may have a successor, which has emitted documents that ours, of a greater sum of
offsets, would take back. Who finds its lease run out asks again, at every step of a write.

Source: C. Gray, D. Cheriton, Leases, SOSP 1989. The clock is monotonic: it goes on while a process is stopped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from pipeline.errors import BrokerUnavailableError, MembershipLostError

AGAIN_S: Final = 0.1
"""Pause before a coordinator that does not answer is asked once more."""

PATIENCE_S: Final = 30.0
"""How long it may not answer: as long as the producer waits for an acknowledgement."""


class Lease:
    """
    The lease of one worker.

    Args:
        ask: Asks the group's coordinator whether this worker still is a member; None when it does not answer.
        duration_s: Less than the coordinator waits until it gives the partitions of a silent member to others.
        clock: Seconds.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[bool | None]],
        duration_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._duration_s = duration_s
        self._clock = clock
        self._until = clock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def renew(self) -> bool | None:
        """Ask, in the worker's loop, and return the answer."""
        self._loop = asyncio.get_running_loop()
        # The coordinator counts from when it hears us, which is later.
        asked = self._clock()
        member = await self._ask()
        if member:
            self._until = asked + self._duration_s
        return member

    async def require(self) -> None:
        """
        Return while the lease lasts, else when it is renewed; in any loop, after `renew`.

        Raises:
            MembershipLostError: This worker is a member no more.
            BrokerUnavailableError: The coordinator does not answer.
        """
        assert self._loop is not None
        give_up = self._clock() + PATIENCE_S
        while self._clock() > self._until:
            renewed = asyncio.run_coroutine_threadsafe(self.renew(), self._loop)
            member = await asyncio.wrap_future(renewed)
            if member is False:
                raise MembershipLostError("no longer a member of the group")
            if member is None:
                if self._clock() > give_up:
                    raise BrokerUnavailableError(
                        f"the group's coordinator has not answered for {PATIENCE_S:.0f} s: start the worker again when "
                        "the broker is well"
                    )
                await asyncio.sleep(AGAIN_S)
