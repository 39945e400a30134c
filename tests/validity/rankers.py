"""What the score is compared with: counting in several ways, and PageRank. Each ranks users by a number."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.validity.record import DAY, Record

HALF_LIVES: Final = (2, 6, 12, 24)
"""Hours, of the exponentially decayed counts."""

DAMPING: Final = 0.85
"""Page, Brin, Motwani, Winograd, "The PageRank citation ranking", 1998."""

ROUNDS: Final = 60
"""0.85^60 is 6e-5: ranks stand still by then."""

Ranking = dict[str, NDArray[np.float64]]
"""A name, and a number for each user: the more, the higher."""


def baselines(record: Record, users: NDArray[np.int64], as_of: int) -> Ranking:
    """
    Return what each baseline makes of a record.

    Args:
        record: What happened before `as_of`.
        users: int64[n], rising: its targets.
        as_of: Seconds.
    """
    row = np.searchsorted(users, record.target)
    n = len(users)
    age = as_of - record.time
    ranking: Ranking = {
        "events": np.bincount(row, minlength=n).astype(np.float64),
        "distinct": distinct(row, record.actor, n),
        "last24h": np.bincount(row[age <= DAY], minlength=n).astype(np.float64),
    }
    for hours in HALF_LIVES:
        ranking[f"decayed{hours}h"] = np.bincount(row, np.exp2(-age / (3600.0 * hours)), n).astype(np.float64)
    ranking["pagerank"] = pagerank(record, users)
    return ranking


def distinct(row: NDArray[np.int64], actor: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return how many distinct actors engaged with each of n rows."""
    pairs = np.unique(row << 32 | actor)
    return np.bincount(pairs >> 32, minlength=n).astype(np.float64)


def pagerank(record: Record, users: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return PageRank on the graph from actors to targets, an edge weighing its number of interactions."""
    nodes = np.union1d(record.actor, record.target)
    source, sink = np.searchsorted(nodes, record.actor), np.searchsorted(nodes, record.target)
    out = np.bincount(source, minlength=len(nodes))
    rank = np.full(len(nodes), 1.0 / len(nodes))
    for _ in range(ROUNDS):
        moved = np.bincount(sink, (rank / np.maximum(out, 1))[source], len(nodes))
        stranded = rank[out == 0].sum() / len(nodes)
        rank = (1.0 - DAMPING) / len(nodes) + DAMPING * (moved + stranded)
    return rank[np.searchsorted(nodes, users)]
