"""What an agent is, and what it hands to the runner."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from schemas import Engagement, Identity, Post, Profile
from schemas.engagement import Id, Time


class Unlink(msgspec.Struct, frozen=True, gc=False):
    """An account stands for itself again: a tombstone in the topic of the identities."""

    account: Id
    time: Time


Record: TypeAlias = Engagement | Post | Profile | Identity | Unlink
"""What is published, to the topic of its type or kind."""

Position: TypeAlias = dict[str, int | str]
"""An agent's place in its source, in the agent's own terms; stored as JSON."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """
    The source took something back and says no more than its ids.

    One event at a source may have become several records (a reply is a post and a comment): `ids` names them all.
    """

    ids: tuple[str, ...]
    time: int | None = None
    """When what is taken back had happened, Unix ms, where the source or the id itself tells."""


Item: TypeAlias = Record | Deletion


@dataclass(slots=True)
class Batch:
    """Events of a source, in their order, with the fate of each: `read` = published + the sum of `skipped`."""

    items: list[Item] = field(default_factory=list)
    read: int = 0
    """Events taken from the source."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Events that became no record, by reason."""
    time: int | None = None
    """The event time that the source has reached, Unix ms; None where it does not say."""
    position: Position | None = None
    """Where to go on once this batch is acknowledged; None where the source cannot."""
    settled: Callable[[], None] | None = None
    """Called once the broker has acknowledged the batch and all before it: a source that waits for that can be told."""

    def skip(self, reason: str, count: int = 1) -> None:
        """Count events that become no record."""
        self.skipped[reason] = self.skipped.get(reason, 0) + count

    def add(self, other: "Batch") -> None:
        """Append what came after this batch."""
        self.items.extend(other.items)
        self.read += other.read
        for reason, count in other.skipped.items():
            self.skip(reason, count)
        self.time = other.time if other.time is not None else self.time
        self.position = other.position or self.position


class Agent(Protocol):
    """Reads one source. The runner stamps, publishes, ticks, counts and keeps the cursor."""

    @property
    def name(self) -> str:
        """The agent's name in metrics, ticks and messages."""

    @property
    def live(self) -> bool:
        """True where time passes by the wall clock, False where the source's event times say it."""

    def share(self) -> float | None:
        """Return how much of the source has been read, 0 to 1; None for a source without an end."""

    def batches(self, position: Position | None = None) -> AsyncGenerator[Batch]:
        """
        Yield what happens at the source from a position on. May wait; is cancelled when the runner stops.

        It is called again, with the position of the last batch, after the source was away. What a source that goes
        on a little earlier repeats does no harm, as long as ids and times are the same.

        Args:
            position: One that a batch had, in this run or an earlier one; None is the source's own beginning.

        Raises:
            SourceUnavailableError: The source does not answer; the runner tries again after a while.
            AccessRefusedError: The source refuses this client; the runner tries again after minutes.
            ContractError: The source is not what it should be.
        """
