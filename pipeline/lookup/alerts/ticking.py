"""Ticking: which agents are alive. A dead agent is not a silent world."""

from typing import Final

from schemas import Tick

MISSING_MS: Final = 90_000
"""A live agent ticks once a minute: after this time a drop may be the agent's silence, .."""
DEAD_MS: Final = 180_000
""".. and after this one it is told of."""
FORGET_MS: Final = 86_400_000
_LIVE_MS: Final = 120_000
"""A tick whose time is further from its arrival is of a replay, which may end as it likes."""
_UNTOLD: Final = frozenset({"http"})
"""Ticks while somebody posts events: a service that was restarted is silent until somebody does."""


class Ticking:
    """When each live agent was heard of last, Unix ms of wall time."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def take(self, tick: Tick, arrived: int) -> None:
        """Hear of an agent."""
        if abs(tick.time - arrived) <= _LIVE_MS and tick.source not in _UNTOLD:
            self.last[tick.source] = max(arrived, self.last.get(tick.source, 0))

    def missing(self, network: str, now: int) -> str | None:
        """
        Return why a drop on a network cannot be told from a dead agent, or None.

        An agent is named after its network; where none is, every agent may be the one.
        """
        concerned = [network] if network in self.last else list(self.last)
        for source in concerned:
            if now - self.last[source] > MISSING_MS:
                return f"agent {source} has not ticked for {(now - self.last[source]) // 1000} s"
        return None

    def forget(self, now: int) -> list[str]:
        """Forget agents that were not heard of for a day, which somebody has ended; returns them."""
        gone = [source for source, last in self.last.items() if now - last > FORGET_MS]
        for source in gone:
            del self.last[source]
        return gone

    def dead(self, now: int) -> list[str]:
        """Return the agents that are silent for too long."""
        return [source for source, last in sorted(self.last.items()) if now - last > DEAD_MS]
