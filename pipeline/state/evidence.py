"""
Evidence: which actors, posts and tags stand behind a row.

A small row has its newest lines (`lines.py`). A large row keeps the items that occur most, found by randomised
admission (Ben Basat et al., "Randomized admission policy for efficient top-k and frequency estimation", INFOCOM 2017):
a new item takes the place of the least frequent one with a chance of one in its count. The coin is the item's own
digest, so that the same log gives the same evidence. Approximate, and never part of the score.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.state.events import is_counted
from pipeline.state.lines import Line

ITEMS: Final = 16
"""Items kept of each sort: ten are shown."""

Ranking = list[tuple[str, int]]
"""Items with their counts, the most frequent first."""


Counts = tuple[dict[str, int], dict[str, int], dict[str, int]]
"""By sort: actors, objects, tags."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[int, Counts, Counts])


class Evidence:
    """
    The items of one large row that occur most.

    An item that took another's place inherits its estimate: what it may have had before. `top` shows what is certain,
    the estimate less what was inherited, so that nobody is credited with what others did.
    """

    __slots__ = ("counts", "inherited", "seen")

    def __init__(self) -> None:
        self.counts: Counts = ({}, {}, {})
        self.inherited: Counts = ({}, {}, {})
        self.seen = 0

    @classmethod
    def of_small(cls, lines: list[Line], events: NDArray[np.void]) -> "Evidence":
        """Return the evidence of a row that was small until now, from its lines and its events."""
        evidence = cls()
        for counts, items in zip(evidence.counts, top_of_lines(lines, events, ITEMS), strict=True):
            counts.update(items)
        evidence.seen = int(np.count_nonzero(is_counted(events)))
        return evidence

    def add(self, line: Line) -> None:
        """Add an engagement."""
        self.seen += 1
        self._count(0, line.actor)
        if line.target:
            self._count(1, line.target)
        for tag in line.tags:
            self._count(2, tag)

    def _count(self, sort: int, item: str) -> None:
        counts = self.counts[sort]
        if item in counts:
            counts[item] += 1
        elif len(counts) < ITEMS:
            counts[item] = 1
        else:
            # Most items are turned away: whose place it would be is of no interest then.
            floor = min(counts.values())
            if xxhash.xxh3_64_intdigest(f"{item}{self.seen}".encode()) % (floor + 1) == 0:
                least = next(each for each, count in counts.items() if count == floor)
                del counts[least]
                self.inherited[sort].pop(least, None)
                counts[item] = floor + 1
                self.inherited[sort][item] = floor

    def forget(self, actors: Sequence[str]) -> bool:
        """Name actors no more; returns whether one was named."""
        named = [actor for actor in actors if actor in self.counts[0]]
        for actor in named:
            del self.counts[0][actor]
            self.inherited[0].pop(actor, None)
        return bool(named)

    def encode(self) -> bytes:
        """Return all items: the events seen, the estimates, and what was inherited."""
        return _ENCODER.encode((self.seen, self.counts, self.inherited))

    @classmethod
    def decode(cls, text: bytes) -> "Evidence":
        """
        Read what `encode` wrote.

        Raises:
            msgspec.MsgspecError: The text is none of it.
        """
        evidence = cls()
        evidence.seen, evidence.counts, evidence.inherited = _DECODER.decode(text)
        return evidence

    def top(self, sort: int, n: int) -> Ranking:
        """Return the `n` items of a sort that certainly occur most, the most frequent first."""
        inherited = self.inherited[sort]
        certain = ((item, count - inherited.get(item, 0)) for item, count in self.counts[sort].items())
        return sorted(certain, key=lambda item: (-item[1], item[0]))[:n]


def top_of_lines(lines: list[Line], events: NDArray[np.void], n: int) -> tuple[Ranking, Ranking, Ranking]:
    """
    Return the `n` most frequent actors, objects and tags of a small row.

    Its lines name them. How often an actor engaged its events say, also where older lines are gone.
    """
    counts = Counter(events["actor"][is_counted(events)].tolist())
    named = Counter(line.actor for line in lines)
    # Rows of version 1 had digests of another sort.
    actors = {line.actor: counts[line.digest] or named[line.actor] for line in lines}
    return (
        _ranking(actors, n),
        _ranking(Counter(line.target for line in lines if line.target), n),
        _ranking(Counter(tag for line in lines for tag in line.tags), n),
    )


def _ranking(counts: dict[str, int], n: int) -> Ranking:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:n]
