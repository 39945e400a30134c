"""
Which scores are emitted, and when.

A score that moved by `emit_delta` or more goes out at once, each user at most once per `emit_interval`; a smaller move
after `emit_settle` at most. What is held back is owed. While the worker is catching up, emission takes a bounded share
of its time: the newest state wins, and none is skipped in the end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.features import Features
from pipeline.scoring.model import Scores
from pipeline.settings import Settings
from pipeline.state.documents import rounded
from pipeline.state.partition import Partition
from pipeline.state.persons import standing
from pipeline.streams.contributions import Contributions

CHUNK: Final = 16_384
"""Rows looked at in one go: bounds the memory of the features."""

NEWS_AT_ONCE: Final = 16_384
"""
Rows of a partition that a round looks at because they just changed. A row that has to wait is written to the changelog
once more when its turn comes.
"""

OTHERS_AT_ONCE: Final = 8_192
"""
The same of those that are owed for longer. After a recovery it may be every row: documents of a million rows at once
would hold up news for half a minute, the worker's stop too, and take 2 GB.
"""

SWEEP_MS: Final = 300_000
"""Event time in which every silent row is looked at once: a score takes minutes to sink by a tenth of a point."""

_NEVER: Final = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Due:
    """Rows whose documents are due, with what they are made of."""

    rows: NDArray[np.int64]
    features: Features
    scores: Scores


class Emission:
    """The emission times of one partition's rows: of this process, not of the state."""

    def __init__(self, settings: Settings) -> None:
        self._delta = settings.emit_delta
        self._interval_ms = int(settings.emit_interval_s * 1000)
        self._settle_ms = int(settings.emit_settle_s * 1000)
        self._details_ms = int(settings.details_interval_s * 1000)
        self._emitted_at = np.zeros(0, np.int64)
        self._owed_since = np.zeros(0, np.int64)
        self._details_at = np.zeros(0, np.int64)
        self._urgent = np.zeros(0, np.bool_)
        self._backlog = np.zeros(0, np.bool_)
        self._details_owed = np.zeros(0, np.bool_)
        self._unsaved = np.zeros(0, np.bool_)
        self._cursor = 0
        self._detailed_row = 0
        self._swept_row = 0
        self._swept_at = 0
        self.contributions = Contributions(settings)

    def _grow(self, part: Partition) -> None:
        if len(self._emitted_at) == part.room:
            return
        fills = {"_emitted_at": _NEVER, "_owed_since": -1, "_details_at": _NEVER}
        fills |= {"_urgent": 0, "_backlog": 0, "_details_owed": 0, "_unsaved": 0}
        for name, fill in fills.items():
            column = getattr(self, name)
            grown = np.full(part.room, fill, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)

    def due(self, part: Partition, now: int, limit: int | None = None) -> list[Due]:
        """
        Return the documents that are due, and note them as emitted.

        Args:
            part: Settled.
            now: Unix ms.
            limit: While catching up: the number of rows to look at, the longest owed first.
        """
        self._grow(part)
        n = len(part)
        # Whom an account belongs to is news, however little its score moved.
        self._backlog[list(part.linking.take_relinked())] = True
        # What a document says must be what its offsets say: a row that is ahead of them waits.
        ahead = part.rows_ahead()
        owed = part.owed[:n] & ~ahead
        self._backlog[:n] |= part.dirty[:n] & ahead
        since = self._owed_since[:n]
        since[owed & (since < 0)] = now
        self._details_owed[:n] |= part.dirty[:n]
        if limit is not None:
            # Nobody looks how far these moved: they are due as soon as there is time.
            self._backlog[:n] |= part.dirty[:n]
            looked = self._longest_owed(owed, limit)
        else:
            looked = self._waiting(part, owed, now)
        if limit is None and not part.is_behind:
            looked = np.union1d(looked, self._silent(part))
        out: list[Due] = []
        for start in range(0, len(looked), CHUNK):
            due = self._due(part, looked[start : start + CHUNK], now, everything=limit is not None)
            if len(due.rows):
                out.append(due)
        return out

    def _waiting(self, part: Partition, owed: NDArray[np.bool_], now: int) -> NDArray[np.int64]:
        """Return the rows to look at: what is news, and some of what is owed for longer."""
        n = len(part)
        dirty = part.dirty[:n]
        if not dirty.any():
            # Nothing happened: time to settle what is owed.
            self._backlog[:n] |= owed
        news = owed & (dirty | (self._urgent[:n] & (self._emitted_at[:n] + self._interval_ms <= now)))
        if np.count_nonzero(news) > NEWS_AT_ONCE:
            self._backlog[:n] |= news
            return self._longest_owed(news, NEWS_AT_ONCE)
        others = owed & ~news & (self._backlog[:n] | (self._owed_since[:n] + self._settle_ms <= now))
        return np.union1d(np.flatnonzero(news), self._longest_owed(others, OTHERS_AT_ONCE))

    def _silent(self, part: Partition) -> NDArray[np.int64]:
        """Return the next rows of the sweep: scores of silent users sink as the log's time moves on."""
        n = len(part)
        self._swept_at = self._swept_at or part.as_of
        # A leap of time is made up for over the next rounds.
        passed = min(part.as_of - self._swept_at, SWEEP_MS)
        count = min(n * passed // SWEEP_MS, CHUNK)
        if count <= 0:
            return np.zeros(0, np.int64)
        self._swept_at = part.as_of - passed - (-count * SWEEP_MS // n)
        rows = (self._swept_row + np.arange(count)) % n
        self._swept_row = int(rows[-1]) + 1
        # What is owed has its own time, and who was never emitted is owed.
        return rows[~part.owed[rows] & ~np.isnan(part.emitted[rows])]

    def _longest_owed(self, owed: NDArray[np.bool_], limit: int) -> NDArray[np.int64]:
        """Go around the owed rows, so that everyone's turn comes."""
        rows = np.flatnonzero(owed)
        if len(rows) <= limit:
            return rows
        start = int(np.searchsorted(rows, self._cursor))
        chosen = np.concatenate([rows[start : start + limit], rows[: max(0, start + limit - len(rows))]])
        self._cursor = int(chosen[-1]) + 1
        return np.sort(chosen)

    def _due(self, part: Partition, rows: NDArray[np.int64], now: int, *, everything: bool) -> Due:
        seen, scores = standing(part, rows)
        before = part.emitted[rows].astype(np.float64)
        first = np.isnan(before)
        # Scores are emitted with two decimals: half of the last one is no move.
        moved = first | (np.abs(rounded(scores.score) - before) >= self._delta - 1e-4)
        free = self._emitted_at[rows] + self._interval_ms <= now
        since = self._owed_since[rows]
        late = (since >= 0) & (since + self._settle_ms <= now)
        chosen = (moved & free) | late | self._backlog[rows] | everything
        self._urgent[rows] = moved & ~chosen
        picked = np.flatnonzero(chosen)
        rows = rows[picked]
        self._emitted_at[rows] = now
        self._owed_since[rows] = -1
        self._backlog[rows] = False
        part.owed[rows] = False
        if len(picked) == len(chosen):
            return Due(rows, seen, scores)
        return Due(rows, seen.pick(picked), scores.pick(picked))

    def to_save(self, part: Partition, planned: NDArray[np.bool_], *, moved: bool) -> NDArray[np.int64]:
        """
        Return the rows whose changelog records are to be written anew, and note them as saved.

        A document without news of its row, because time passed or it had been held back, changes only what the row
        knows of its last document. That is saved a round later: a crash before the document is out would leave a record
        that says it is, and nothing in the log beyond the committed offsets to tell otherwise.

        Args:
            part: The documents that are due have been asked for.
            planned: bool[rows], whose documents go out in this round.
            moved: Whether there is something in the log beyond the committed offsets. If not, no document is told from
                one that is not out, with news of its row or without.
        """
        n = len(part)
        dirty = part.dirty[:n]
        rows = np.flatnonzero(dirty | (self._unsaved[:n] & ~planned))
        self._unsaved[rows] = False
        self._unsaved[:n] |= planned & ~dirty if moved else planned
        return rows

    def details_due(self, part: Partition, now: int, limit: int) -> NDArray[np.int64]:
        """
        Return up to `limit` rows whose details are due, and note them as emitted.

        If they are more, half of them are those who were engaged with last, so that these are fresh; the others' turn
        comes around.
        """
        if not limit:
            return np.zeros(0, np.int64)
        n = len(part)
        due = self._details_owed[:n] & (self._details_at[:n] + self._details_ms <= now) & ~part.rows_ahead()
        rows = np.flatnonzero(due)
        if len(rows) > limit:
            latest = rows[np.argpartition(-part.last[rows], limit // 2)[: limit // 2]]
            others = np.setdiff1d(rows, latest, assume_unique=True)
            around = np.roll(others, -np.searchsorted(others, self._detailed_row))[: limit - limit // 2]
            self._detailed_row = int(around[-1]) + 1
            rows = np.union1d(latest, around)
        self._details_at[rows] = now
        self._details_owed[rows] = False
        return rows

    def drop(self, part: Partition, rows: NDArray[np.int64]) -> None:
        """Owe nothing of rows that were taken out of the partition."""
        self._grow(part)
        self._owed_since[rows] = -1
        self._urgent[rows] = self._backlog[rows] = self._details_owed[rows] = self._unsaved[rows] = False

    def owe_all(self, part: Partition) -> None:
        """What is owed is due as soon as its turn comes, however little it has moved: after a recovery, for one."""
        self._grow(part)
        self._backlog[: len(part)] |= part.owed[: len(part)]

    def owe_details(self, part: Partition) -> None:
        """After a recovery nobody knows which details are out."""
        self._grow(part)
        self._details_owed[: len(part)] = part.index.is_named()
