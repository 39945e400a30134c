"""
Which contributions of linked accounts are sent, and when.

They follow the documents: what an account's new document tells is news to its person, too. A document that moved for
another reason (a contribution from elsewhere, say) repeats nothing, so that accounts linked in a circle come to rest.

Every account repeats its contribution within `REPEAT_MS`, whatever happens. The topic is compacted by person, so of
all accounts of a person only the last one's record is kept for longer than a day (`min.compaction.lag.ms`); what is
repeated more often than that is always in the log.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import xxhash

from pipeline.scoring.accumulation import accumulate
from pipeline.settings import Settings
from pipeline.state.partition import Partition
from pipeline.state.persons import contributions
from schemas import AccountContribution, Windows

REPEAT_MS: Final = 6 * 3_600_000
"""A quarter of the time for which compaction leaves everything: a worker may be away in three of four."""

LOOK_MS: Final = 60_000
"""How often it is looked whose turn to repeat has come."""

_Told = tuple[str, Windows, int, float]
"""What a person was told last: of whom, engagement, engagers and score."""


class Contributions:
    """What this process has told the persons of one partition's accounts."""

    def __init__(self, settings: Settings) -> None:
        self._delta = settings.emit_delta
        self._told: dict[int, _Told] = {}
        self._looked_at = 0

    def due(self, part: Partition, emitted: Iterable[int], now: int) -> dict[int, list[AccountContribution]]:
        """
        Return what is to be sent, by row, and note it as told.

        Args:
            part: Settled.
            emitted: The rows whose documents go out in the same round.
            now: Unix ms.
        """
        accounts = part.linking.accounts
        if not accounts:
            return {}
        repeated = self._repeated(part, now)
        rows = np.array(sorted(accounts.intersection(emitted) | repeated), np.int64)
        rows = rows[~part.rows_ahead()[rows]]
        made = contributions(part, rows, now)
        told = self._as_told(made)
        if part.applied is not None:
            # What is read again moves the version on: only what is told after that is sure to be the newest.
            self._told.clear()
            return made
        due = {row: sent for row, sent in made.items() if row in repeated or self._is_news(row, sent, told.get(row))}
        self._told.update({row: told[row] for row in due if row in told})
        return due

    def _is_news(self, row: int, sent: list[AccountContribution], told: _Told | None) -> bool:
        before = self._told.get(row)
        if before is None or told is None or len(sent) > 1:
            return True
        return before[:3] != told[:3] or abs(before[3] - told[3]) >= self._delta

    @staticmethod
    def _as_told(made: dict[int, list[AccountContribution]]) -> dict[int, _Told]:
        linked = {row: sent[-1] for row, sent in made.items() if sent and sent[-1].linked}
        levels = np.array(
            [
                (each.levels.true_reach, each.levels.amplification, each.levels.network_impact)
                for each in linked.values()
            ]
        ).reshape(-1, 3)
        scores = accumulate(levels, np.arange(len(linked)), len(linked)).score.tolist()
        return {
            row: (each.user, each.engagement, each.engagers, score)
            for (row, each), score in zip(linked.items(), scores, strict=True)
        }

    def _repeated(self, part: Partition, now: int) -> set[int]:
        """Return the accounts whose turn came since the last look; each has a minute of its own in `REPEAT_MS`."""
        since = self._looked_at
        if since and now - since < LOOK_MS:
            return set()
        self._looked_at = now
        if not since:
            return set()
        return {row for row in part.linking.accounts if _turn(part.ids[row], since) != _turn(part.ids[row], now)}


def _turn(account: bytes, now: int) -> int:
    return int((now + xxhash.xxh3_64_intdigest(account) % REPEAT_MS) // REPEAT_MS)
