"""An export as a source: all documents are read and checked first, then their entries follow in the order of time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from agents.exports.archive import Archive
from agents.limits import ID_LIMIT
from agents.protocol import Batch, Item
from agents.span import ALWAYS, Span
from pipeline.clock import system_clock
from schemas import Engagement, Post, Profile

Made: TypeAlias = Engagement | Post | Profile

Entry: TypeAlias = tuple[int | None, list[Made] | str]
"""When something happened (Unix ms; None where the export does not say) and what it becomes, or why nothing."""

Export: TypeAlias = Callable[[Archive], Iterable[Entry]]
"""Reads the export of a network; raises `ContractError` where it is another one, or damaged."""


class ExportSource:
    """The entries of an export, those without a time first."""

    def __init__(self, path: Path, read: Export) -> None:
        """
        Read the whole export: nothing of one that is damaged is published.

        Args:
            path: The zip file or the folder.
            read: Reads a network's.
        """
        with Archive(path) as archive:
            # Stable, so that what happened at once stays in the order of the documents.
            self._entries = sorted(map(_checked, read(archive)), key=_time)
            self.size = archive.bytes_read
        self._span = ALWAYS
        self._at = 0

    def latest(self, span: Span, limit: int | None) -> int | None:
        """Look at every entry."""
        times = (time for time, _ in self._entries[:limit])
        return max((time for time in times if time is not None and span.refuses(time) is None), default=None)

    def start(self, span: Span, skip: int) -> None:
        """Begin behind some entries."""
        self._span, self._at = span, skip

    def read(self, count: int) -> Batch | None:
        """Take entries."""
        entries = self._entries[self._at : self._at + count]
        self._at += len(entries)
        batch = Batch(read=len(entries))
        for time, fate in entries:
            if time is None or isinstance(fate, str):
                batch.skip(fate if isinstance(fate, str) else "no_time")
            else:
                shift = self._span.shift
                self._span.add(batch, time + shift, [_moved(record, shift) for record in fate])
        return batch if entries else None

    def share(self) -> float:
        """Return how many of the entries have been taken."""
        return self._at / max(1, len(self._entries))

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Totals:
    """What an export holds of its owner, in numbers; counted while it is read."""

    followers: int = 0
    following: int = 0
    posts: int = 0


def last_of_all(entries: Iterable[Entry], profile: Profile, totals: Totals) -> Iterator[Entry]:
    """Yield entries, and behind them the profile as of the newest: an export says how things are when it is made."""
    newest, now = 0, system_clock()
    for entry in entries:
        if entry[0] is not None and newest < entry[0] <= now:
            newest = entry[0]
        yield entry
    if newest:
        yield newest, [msgspec.structs.replace(profile, time=newest, **asdict(totals))]


def _time(entry: Entry) -> int:
    return -1 if entry[0] is None else entry[0]


def _moved(record: Made, shift: int) -> Item:
    return msgspec.structs.replace(record, time=record.time + shift) if shift else record


def _checked(entry: Entry) -> Entry:
    """Refuse ids that are longer than the contract allows, and what people do to themselves."""
    time, fate = entry
    if isinstance(fate, str):
        return entry
    kept = [made for made in fate if not isinstance(made, Engagement) or made.actor != made.target]
    if not all(map(_fits, kept)):
        return time, "malformed"
    return time, kept or "self"


def _fits(record: Made) -> bool:
    if isinstance(record, Profile):
        return len(record.user) <= ID_LIMIT
    ends = (record.actor, record.target) if isinstance(record, Engagement) else (record.author,)
    return all(0 < len(text) <= ID_LIMIT for text in (record.id, record.object or record.id, *ends))
