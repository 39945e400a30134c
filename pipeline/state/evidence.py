"""
Evidence: which actors, posts and tags stand behind a row.

A small row keeps a line for each of its events. A large row keeps the items that occur most, found by randomised
admission (Ben Basat et al., "Randomized admission policy for efficient top-k and frequency estimation", INFOCOM 2017):
a new item takes the place of the least frequent one with a chance of one in its count. The coin is the item's own
digest, so that the same log gives the same evidence. Approximate, and never part of the score.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.state.columns import EngagementColumns

FIELD: Final = "\t"
"""Separates the fields of a line."""

ITEMS: Final = 16
"""Items kept of each sort: ten are shown."""

_TAG: Final = "\x1f"

Ranking = list[tuple[str, int]]
"""Items with their counts, the most frequent first."""


Counts = tuple[dict[str, int], dict[str, int], dict[str, int]]
"""By sort: actors, objects, tags."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[int, Counts, Counts])


@dataclass(slots=True)
class Texts:
    """What events say of who acted on what, in lists of equal length; the actor of a post or an undo is None."""

    actors: list[str | None] = field(default_factory=list)
    objects: list[str | None] = field(default_factory=list)
    tags: list[list[str] | None] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.actors)

    def extend(self, columns: EngagementColumns, take: NDArray[np.bool_]) -> None:
        """Add the engagements that count."""
        actors: list[str | None] = list(columns.actors)
        if True in columns.undo:
            # What was withdrawn is no further engagement.
            actors = [None if undone else actor for actor, undone in zip(actors, columns.undo, strict=True)]
        if take.all():
            self.actors += actors
            self.objects += columns.objects
            self.tags += columns.tags
        else:
            kept = take.tolist()
            self.actors += compress(actors, kept)
            self.objects += compress(columns.objects, kept)
            self.tags += compress(columns.tags, kept)

    def extend_posts(self, n: int) -> None:
        """Add posts."""
        empty: list[None] = [None] * n
        self.actors += empty
        self.objects += empty
        self.tags += empty

    def lines(self, places: list[int]) -> tuple[bytes, NDArray[np.int64]]:
        """
        Return the lines that rows keep of events (actor, object, tags; an empty one of a post), one after the other.

        Returns:
            The text, and the end of each event's line in it, [n].
        """
        actors, objects, tags = self.actors, self.objects, self.tags
        lines = [
            "\n" if (actor := actors[i]) is None else f"{actor}{FIELD}{objects[i] or ''}{FIELD}{_joined(tags[i])}\n"
            for i in places
        ]
        text = "".join(lines)
        posts = sum(1 for entry in lines if entry == "\n")
        if text.count("\n") != len(lines) or text.count(FIELD) != 2 * (len(lines) - posts):
            # An id that holds a separator must not break the lines.
            lines = ["\n" if actors[i] is None else self._clean(i) for i in places]
            text = "".join(lines)
        blob = text.encode()
        if len(blob) == len(text):
            lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        else:
            lengths = np.array([len(entry.encode()) for entry in lines], np.int64)
        return blob, np.cumsum(lengths)

    def _clean(self, i: int) -> str:
        fields = (self.actors[i] or "", self.objects[i] or "", _joined(self.tags[i]))
        return FIELD.join("".join(max(char, " ") if char != _TAG else char for char in text) for text in fields) + "\n"


def _joined(tags: list[str] | None) -> str:
    return _TAG.join(tags) if tags else ""


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
    def of_lines(cls, text: bytes) -> "Evidence":
        """Return the evidence of a row that was small until now."""
        evidence = cls()
        for counts, items in zip(evidence.counts, top_of_lines(text, ITEMS), strict=True):
            counts.update(items)
        evidence.seen = text.count(b"\n")
        return evidence

    def add(self, texts: Texts, place: int) -> None:
        """Add an event; a post says nothing."""
        actor, target = texts.actors[place], texts.objects[place]
        if actor is None:
            return
        self.seen += 1
        self._count(0, actor)
        if target:
            self._count(1, target)
        for tag in texts.tags[place] or ():
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


def top_of_lines(text: bytes, n: int) -> tuple[Ranking, Ranking, Ranking]:
    """Return the `n` most frequent actors, objects and tags of a small row's lines."""
    fields = [entry.split(FIELD, 2) for entry in text.decode().split("\n") if entry]
    tags = [tag for _, _, tags in fields if tags for tag in tags.split(_TAG)]
    return (
        _ranking([actor for actor, _, _ in fields], n),
        _ranking([target for _, target, _ in fields if target], n),
        _ranking(tags, n),
    )


def _ranking(items: list[str], n: int) -> Ranking:
    return sorted(Counter(items).items(), key=lambda item: (-item[1], item[0]))[:n]
