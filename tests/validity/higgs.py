"""Does the score foresee whom people will engage with? Rankings at a cut-off against the 24 hours that follow."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import model
from tests.validity.fold import Fold, stamp, windows_for
from tests.validity.measures import ndcg, overlap, spearman
from tests.validity.rankers import Ranking, baselines
from tests.validity.record import DAY, Record
from tests.validity.state import state_features

LEAST_ENGAGERS: Final = 3
"""With fewer, ties decide."""

LEADERS: Final = 100
"""Users who must not be taken for frauds: the announcement brought them more engagement in a day than years before."""

RESAMPLES: Final = 200
"""Of the paired bootstrap: its intervals' ends are then good to about 0.002."""

MEASURES: Final = {"spearman": spearman, "ndcg100": ndcg, "top100": overlap}

Measured = dict[str, dict[str, float]]
"""Ranker -> measure -> value."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """How every ranker does at one cut-off."""

    days: float
    users: int
    rankers: Measured
    """Over users with `LEAST_ENGAGERS` or more."""
    everyone: Measured
    """Over all users engaged with before."""
    lead: dict[str, tuple[str, float, float]]
    """Measure -> the best baseline, and the 95 % interval of the score's lead over it."""


def evaluate(record: Record, days: float, *, seed: int = 1) -> Cutoff:
    """Rank users by what came before `days` after the record's beginning, and compare with the next 24 hours."""
    until = int(record.time[0] + days * DAY)
    known = fold(record, until)
    ranking: Ranking = {"clout": model.score(known.features).score}
    ranking |= baselines(record.between(0, until), known.users, until)
    actual = followed_by(record.between(until, until + DAY), known.users)
    often = np.flatnonzero(known.features.engagers >= LEAST_ENGAGERS)
    chosen = {name: values[often] for name, values in ranking.items()}
    measured = _measure(chosen, actual[often])
    return Cutoff(
        days,
        len(often),
        measured,
        _measure(ranking, actual),
        {
            measure: _lead(measure, measured, chosen, actual[often], np.random.default_rng(seed))
            for measure in ("spearman", "ndcg100")
        },
    )


def authenticity_of_leaders(record: Record, leaders: int = LEADERS) -> list[int]:
    """Return the authenticity of those who lead at the record's end, the highest score first."""
    scores = model.score(fold(record, int(record.time[-1]) + 1).features)
    first = np.argsort(-scores.score, kind="stable")[:leaders]
    authentic: list[int] = scores.authenticity[first].tolist()
    return authentic


def fold(record: Record, until: int) -> Fold:
    """Return who was engaged with before `until`, seconds, and what the product's state knows of them then."""
    seen = record.between(0, until)
    windows = windows_for(until - int(record.time[0]))
    return state_features(seen, stamp(seen, windows), windows, until)


def followed_by(record: Record, users: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many distinct actors each of the users, rising, was then engaged with by."""
    pairs = np.unique(np.stack((record.target, record.actor)), axis=1)
    place = np.minimum(np.searchsorted(users, pairs[0]), len(users) - 1)
    return np.bincount(place[users[place] == pairs[0]], minlength=len(users)).astype(np.float64)


def _measure(ranking: Ranking, actual: NDArray[np.float64]) -> Measured:
    return {
        name: {measure: function(values, actual) for measure, function in MEASURES.items()}
        for name, values in ranking.items()
    }


def _lead(
    measure: str, measured: Measured, ranking: Ranking, actual: NDArray[np.float64], random: np.random.Generator
) -> tuple[str, float, float]:
    """Return the best baseline and the interval of the score's lead, by resampling the same users for both."""
    best = max((name for name in measured if name != "clout"), key=lambda name: measured[name][measure])
    function = MEASURES[measure]
    leads = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(actual), len(actual))
        leads.append(function(ranking["clout"][drawn], actual[drawn]) - function(ranking[best][drawn], actual[drawn]))
    low, high = np.quantile(leads, [0.025, 0.975])
    return best, float(low), float(high)
