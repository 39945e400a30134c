"""
Evidence: which actors, posts and tags stand behind a row.

A small row keeps a line for each of its events. A large row keeps the items that occur most, found by randomised
admission (Ben Basat et al., "Randomized admission policy for efficient top-k and frequency estimation", INFOCOM 2017):
a new item takes the place of the least frequent one with a chance of one in its count. The coin is the item's own
digest, so that the same log gives the same evidence. Approximate, and never part of the score.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import xxhash

FIELD: Final = "\x1f"
"""Separates the fields of a line."""

ITEMS: Final = 16
"""Items kept of each sort: ten are shown."""

SORTS: Final = ("actor", "object", "tag")
_TAG: Final = ","


def line(actor: str, target: str | None, tags: list[str] | None) -> str:
    """Return the line that a row keeps of an event: actor, object, tags."""
    text = f"{actor}{FIELD}{target or ''}{FIELD}{_TAG.join(tags) if tags else ''}"
    return text.replace("\n", " ")


class Evidence:
    """
    The items of one large row that occur most.

    An item that took another's place inherits its estimate: what it may have had before. `top` shows what is certain,
    the estimate less what was inherited, so that nobody is credited with what others did.
    """

    __slots__ = ("counts", "inherited", "seen")

    def __init__(self) -> None:
        self.counts: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
        self.inherited: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
        self.seen = 0

    def add(self, lines: Iterable[str]) -> None:
        """Add events by their lines."""
        for text in lines:
            actor, target, tags = text.split(FIELD, 2)
            self.seen += 1
            self._count(0, actor)
            if target:
                self._count(1, target)
            for tag in tags.split(_TAG) if tags else ():
                self._count(2, tag)

    def _count(self, sort: int, item: str) -> None:
        counts = self.counts[sort]
        if item in counts:
            counts[item] += 1
        elif len(counts) < ITEMS:
            counts[item] = 1
        else:
            least = min(counts, key=counts.__getitem__)
            floor = counts[least]
            coin = xxhash.xxh3_64_intdigest(f"{item}{self.seen}".encode())
            if coin % (floor + 1) == 0:
                del counts[least]
                self.inherited[sort].pop(least, None)
                counts[item] = floor + 1
                self.inherited[sort][item] = floor

    def encode(self) -> bytes:
        """Return all items as lines: sort, estimate, inherited, item."""
        lines = [
            f"{sort}{FIELD}{count}{FIELD}{self.inherited[sort].get(item, 0)}{FIELD}{item}"
            for sort, counts in enumerate(self.counts)
            for item, count in counts.items()
        ]
        return "\n".join([str(self.seen), *lines]).encode()

    @classmethod
    def decode(cls, text: bytes) -> "Evidence":
        """Read what `encode` wrote."""
        evidence = cls()
        seen, *lines = text.decode().split("\n")
        evidence.seen = int(seen or 0)
        for entry in lines:
            sort, count, inherited, item = entry.split(FIELD, 3)
            evidence.counts[int(sort)][item] = int(count)
            if inherited != "0":
                evidence.inherited[int(sort)][item] = int(inherited)
        return evidence

    def top(self, sort: int, n: int) -> list[tuple[str, int]]:
        """Return the `n` items of a sort that certainly occur most, the most frequent first."""
        inherited = self.inherited[sort]
        certain = ((item, count - inherited.get(item, 0)) for item, count in self.counts[sort].items())
        return sorted(certain, key=lambda item: (-item[1], item[0]))[:n]


def top_of_lines(text: bytes, n: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the `n` most frequent actors, objects and tags of a small row's lines."""
    counters: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    for entry in text.decode().split("\n"):
        if not entry:
            continue
        actor, target, tags = entry.split(FIELD, 2)
        counters[0][actor] += 1
        if target:
            counters[1][target] += 1
        if tags:
            counters[2].update(tags.split(_TAG))
    actors, objects, labels = (sorted(c.items(), key=lambda item: (-item[1], item[0]))[:n] for c in counters)
    return actors, objects, labels
