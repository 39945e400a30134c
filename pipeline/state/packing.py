"""From columns of engagements to packed events."""

from operator import eq

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring import weights
from pipeline.scoring.credit import NO_STAMP
from pipeline.state.columns import EngagementColumns
from pipeline.state.events import AGE_LAST, EVENT, MUTUAL, NTH_LAST, NTH_UNKNOWN, SELF, digests
from pipeline.state.sources import POST_KIND

_DAY_MS = 86_400_000
_FAR = 1 << 62


def pack_engagements(
    columns: EngagementColumns,
    kind: int,
    time: NDArray[np.int64],
    network: NDArray[np.int64],
    undo: NDArray[np.bool_],
) -> NDArray[np.void]:
    """
    Return `EVENT` records of engagements of one kind.

    Args:
        columns: n engagements.
        kind: Their place in `schemas.KINDS`.
        time: int64[n], Unix ms.
        network: int64[n], each target's place in `weights.NETWORKS`.
        undo: bool[n].
    """
    packed = np.zeros(len(time), EVENT)
    packed["actor"] = digests(columns.actor_digests)
    packed["time"] = time // 1000
    packed["kind"] = kind
    own = np.array(list(map(eq, columns.actors, columns.users)), np.bool_)
    mutual = _mutual(columns.mutual)
    packed["flags"] = undo | own * np.uint8(SELF) | mutual
    nth, age = _nth(columns.nth), _age(columns.since, time)
    worth = weights.worth(network, np.full(len(time), kind), nth, age - 1, mutual > 0)
    worth[own] = 0
    packed["worth"] = np.where(undo, -worth, worth)
    packed["nth"] = np.where(nth < 0, NTH_UNKNOWN, nth)
    packed["age"] = age
    packed["score"] = _score(columns.scores)
    return packed


def pack_posts(time: NDArray[np.int64], undo: NDArray[np.bool_]) -> NDArray[np.void]:
    """Return `EVENT` records of posts; times in Unix ms."""
    packed = np.zeros(len(time), EVENT)
    packed["time"] = time // 1000
    packed["kind"] = POST_KIND
    packed["flags"] = undo
    return packed


def _mutual(mutual: list[bool | None]) -> NDArray[np.uint8]:
    return np.array([MUTUAL if is_mutual else 0 for is_mutual in mutual], np.uint8)


def _nth(nth: list[int | None]) -> NDArray[np.int64]:
    known = [NO_STAMP if n is None else min(n, NTH_LAST) for n in nth]
    return np.array(known, np.int64)


def _age(since: list[int | None], time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ages in days plus 1; 0 where the actor's first day is unknown."""
    if since.count(None) == len(since):
        return np.zeros(len(since), np.int64)
    first = np.array([-1 if ms is None else min(ms, _FAR) for ms in since], np.int64)
    days = np.clip((time - first) // _DAY_MS, 0, AGE_LAST - 1)
    return np.where(first < 0, 0, days + 1)


def _score(scores: list[float | None]) -> NDArray[np.int64]:
    """Return twice the scores plus 1; 0 where unknown."""
    if scores.count(None) == len(scores):
        return np.zeros(len(scores), np.int64)
    known = np.array([-1.0 if score is None else score for score in scores])
    return np.where(known < 0, 0, np.rint(known * 2).astype(np.int64) + 1)
