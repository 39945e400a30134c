"""What a peer may do wrong, beside the protocol it speaks."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

GARBAGE: tuple[str | bytes, ...] = (
    "",
    "nonsense",
    "{}",
    "[" * 5_000,
    '{"did":"did:plc:x","time_us":"soon","kind":"commit"}',
    '{"did":17,"kind":null}',
    '{"text":"' + "x" * 1_000_000 + '"}',
    b"\xff\xfe\x00",
    b'{"did":"\xff"}',
)
"""Messages that no client may trip over: empty, cut, deep, long, of wrong types, no UTF-8."""


@dataclass
class Faults:
    """Which faults a peer commits; all are off at first, and may be changed while it runs."""

    drop_every: int = 0
    """Cut the connection after so many messages."""
    repeat_every: int = 0
    """Send every so many-th message twice."""
    garbage_every: int = 0
    """Send something senseless before every so many-th message."""
    shuffle: int = 0
    """Send so many neighbours in another order."""
    refuse: int = 0
    """Answer the next so many connections with `status`."""
    status: int = 503
    going: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, the peer stalls: connections stay open and say nothing."""

    def __post_init__(self) -> None:
        """Begin without a stall."""
        self.going.set()

    async def over(self, messages: Sequence[str | bytes], number: int) -> AsyncIterator[str | bytes]:
        """Yield the messages as the faults have them; `number` is that of the first."""
        chosen = list(messages)
        if self.shuffle:
            rng = random.Random(number)
            parts = [chosen[i : i + self.shuffle] for i in range(0, len(chosen), self.shuffle)]
            chosen = [message for part in parts for message in rng.sample(part, len(part))]
        for at, message in enumerate(chosen, number):
            await self.going.wait()
            if self.garbage_every and at % self.garbage_every == 0:
                yield GARBAGE[(at // self.garbage_every) % len(GARBAGE)]
            yield message
            if self.repeat_every and at % self.repeat_every == 0:
                yield message
