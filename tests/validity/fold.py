"""
From a record to users with features, for a whole record in a few array operations: the stamps, and what the state does.

Engagement is stamped as the agents stamp it, from what came before: how many actions the actor had made that day, since
when the actor is known, and the actor's score, which is brought up to date `STAMP_ROUNDS` times over the record.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model, weights
from pipeline.scoring.credit import CREDIT_ONE, NO_STAMP, SIGNALS, credit, losses
from pipeline.scoring.features import SCALES, Features, empty
from pipeline.scoring.weights import SCORE_DEFAULT
from pipeline.scoring.windows import KERNEL_ONE, SCALE_WINDOWS, SLICES, WINDOW_NAMES, WINDOWS, Windows
from tests.validity.record import DAY, Record

WINDOW_PER_RECORD: Final = 4.0
"""
Time constants for a short record: the longest window is four times as long as the record, the others in proportion.
What the record begins with then still counts 0.88 of what it ends with: little of what is known of an account has
faded, as with the product's 90 days, which are longer than most engagement is remembered. For two to four days, the
three scales are 2 to 4 hours, 15 to 30 hours and 8 to 16 days long. README.md tells how little depends on the four.
"""

STAMP_ROUNDS: Final = 24
"""How often scores are brought up to date for the stamps; the product does it within a second."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """What is known of the actor of each of n engagements."""

    nth: NDArray[np.int64]
    age_days: NDArray[np.int64]
    score: NDArray[np.int64]
    """Twice the score; `NO_STAMP` when unknown."""
    mutual: NDArray[np.bool_]
    """The target had engaged with the actor before."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Users with their features."""

    users: NDArray[np.int64]
    """[n] rising."""
    features: Features
    """n rows."""


def windows_for(seconds: int) -> Windows:
    """Return the windows for a record of this length."""
    return WINDOWS.scaled(WINDOW_PER_RECORD * seconds / (90 * DAY))


def stamp(record: Record, windows: Windows) -> Stamps:
    """Return the stamps that the agents would have put on a record's engagements."""
    start, end = int(record.time[0]), int(record.time[-1]) + 1
    stamps = Stamps(_nth_of_day(record), _age_days(record), np.full(len(record), NO_STAMP), _is_mutual(record))
    for moment in np.linspace(start, end, STAMP_ROUNDS + 1)[1:-1].astype(int).tolist():
        known = int(np.searchsorted(record.time, moment))
        if not known:
            continue
        before = Stamps(stamps.nth[:known], stamps.age_days[:known], stamps.score[:known], stamps.mutual[:known])
        folded = features(record.take(slice(0, known)), before, windows, moment)
        scores = np.rint(2 * model.score(folded.features).score).astype(np.int64)
        stamps.score[known:] = _look_up(folded.users, scores, record.actor[known:])
    return stamps


def features(record: Record, stamps: Stamps, windows: Windows, as_of: int) -> Fold:
    """Return the features of everyone whom a stamped record's engagements target."""
    users, row = np.unique(record.target, return_inverse=True)
    pair, pair_of = np.unique(row * (1 << 32) + record.actor, return_inverse=True)
    owner = pair >> 32
    network = np.full(len(record), weights.network_index("twitter"))
    worth = weights.worth(network, record.kind, stamps.nth, stamps.age_days, stamps.mutual)
    newest = _greatest(pair_of, record.time, len(pair))
    score = _greatest(pair_of, np.where(stamps.score == NO_STAMP, SCORE_DEFAULT, stamps.score), len(pair))
    age = _greatest(pair_of, stamps.age_days, len(pair))
    nth = -_greatest(pair_of, -stamps.nth, len(pair))
    marks = (~_greatest(pair_of, ~stamps.mutual, len(pair)), np.zeros(len(pair), np.bool_))
    believed = credit(nth, age, *marks)
    quality = weights.quality(np.bincount(pair_of, worth, len(pair)).astype(np.int64), score, age, believed)
    moved = quality * weights.influence(score) / weights.ACTOR_ONE
    n = len(users)
    known = replace(
        empty(n, weights.NETWORKS),
        network=np.full(n, weights.network_index("twitter")),
        counts=_counts(record, row, n, windows, as_of),
        worth=_faded(windows, row, as_of - record.time, worth / weights.WORTH_ONE, n),
        reach=_faded(windows, owner, as_of - newest, quality / weights.ACTOR_ONE, n),
        impact=_faded(windows, owner, as_of - newest, moved / weights.ACTOR_ONE, n),
        engagers=_number(owner, n),
        discounted=_lost(owner, losses(nth, age, *marks), n),
        top=_greatest(owner, np.bincount(pair_of), n).astype(np.float64),
    )
    return Fold(users, known)


def _number(row: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return how often each of n rows occurs."""
    return np.bincount(row, minlength=n).astype(np.float64)


def _counts(record: Record, row: NDArray[np.int64], n: int, windows: Windows, as_of: int) -> NDArray[np.int64]:
    counts = np.zeros((n, len(WINDOW_NAMES), 4), np.int64)
    for window in range(len(WINDOW_NAMES)):
        inside = windows.head(window, as_of) - record.time // windows.slice_seconds[window] < SLICES
        cells = np.bincount(row[inside] * 4 + record.kind[inside], minlength=4 * n)
        counts[:, window] = cells.reshape(n, 4)
    return counts


def _faded(
    windows: Windows, row: NDArray[np.int64], age: NDArray[np.int64], value: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Return sums of values by row, faded by age on each scale, float64[n, 3]."""
    faded = np.empty((n, SCALES))
    for scale, window in enumerate(SCALE_WINDOWS):
        faded[:, scale] = np.bincount(row, value * windows.kernel(window, age) / KERNEL_ONE, n)
    return faded


def _greatest(group: NDArray[np.int64], value: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the greatest value of each of n groups, none of them empty."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(n))
    greatest: NDArray[np.int64] = np.maximum.reduceat(value[order], starts)
    return greatest


def _lost(owner: NDArray[np.int64], losses: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return how many engagers each signal takes out of the count, float64[n, signals]."""
    lost = [np.bincount(owner, losses[:, signal], n) for signal in range(len(SIGNALS))]
    return np.stack(lost, axis=1) / CREDIT_ONE


def _is_mutual(record: Record) -> NDArray[np.bool_]:
    """Tell of which engagements the target had engaged with the actor before."""
    there, back = record.actor << 32 | record.target, record.target << 32 | record.actor
    pairs, first = np.unique(there, return_index=True)
    place = np.minimum(np.searchsorted(pairs, back), len(pairs) - 1)
    mutual: NDArray[np.bool_] = (pairs[place] == back) & (record.time[first][place] < record.time)
    return mutual


def _look_up(users: NDArray[np.int64], scores: NDArray[np.int64], actors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the scores of actors, `NO_STAMP` of those whom nobody has engaged with."""
    place = np.minimum(np.searchsorted(users, actors), len(users) - 1)
    return np.where(users[place] == actors, scores[place], NO_STAMP)


def _nth_of_day(record: Record) -> NDArray[np.int64]:
    """Return how many actions the actor of each engagement had made before on the same UTC day."""
    key = record.actor << 32 | record.time // DAY
    order = np.argsort(key, kind="stable")
    first = np.searchsorted(key[order], key[order])
    nth = np.empty(len(key), np.int64)
    nth[order] = np.arange(len(key)) - first
    return nth


def _age_days(record: Record) -> NDArray[np.int64]:
    """Return how many days before each engagement its actor was first seen acting."""
    _, first, who = np.unique(record.actor, return_index=True, return_inverse=True)
    age: NDArray[np.int64] = (record.time - record.time[first][who]) // DAY
    return age
