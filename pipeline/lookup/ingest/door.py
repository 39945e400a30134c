"""The door to the log."""

from collections.abc import Sequence
from typing import Protocol

from schemas import Engagement


class Door(Protocol):
    """
    Brings engagements into the log; `agents.ingest.Ingest` is one.

    The service knows this and not the agents: the command `clout serve` brings both together.
    """

    def start(self) -> None:
        """Begin to connect, in the background."""

    async def publish(self, events: Sequence[Engagement]) -> None:
        """
        Return when the broker has acknowledged the events.

        Raises:
            BrokerUnavailableError: It did not; they may still arrive.
        """

    async def close(self) -> None:
        """Disconnect."""
