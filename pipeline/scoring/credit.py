"""
Credit: how far an engagement is believed to be a person's own choice, and which signal speaks against it.

The discount is made of what is stamped on each engagement, in integers, and of nothing else: not of what others do.
So bots that a rival buys for someone take nothing from the rest (G6), and the order of events does not matter (G7).
Merging an actor's engagements keeps the most credible of each stamp, so a further one never lowers the actor's credit.

Nothing raises suspicion alone but mass activity. A newcomer who goes viral among new accounts and a fan club whose
members are answered look like what they are; only who is new *and* busy, or trades engagement *and* is busy, is doubted
sooner. The exception is the returned follow: it costs nothing, says nothing of any post, and is what rings are made of.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CREDIT_ONE: Final = 1024
"""Fixed-point 1.0: believed wholly."""

SIGNALS: Final = ("mass activity", "new and busy", "traded engagement")
"""What a discount is named after, in the order of `losses`."""

NO_STAMP: Final = -1
"""Stands for a missing `nth`, `age_days` or `score`."""

DOUBTED: Final = 16
"""
Below this credit, a 64th, an engagement makes nobody a person reached.
The state keeps such actors apart, so that a flood of them cannot crowd people out of its samples.
"""

NTH_LAST: Final = 4095
"""Busier actors count as this busy."""

NEW_DAYS: Final = 7
"""An actor first seen less than a week ago is new."""

BUSY: Final = 30.0
"""Actions before this one on the same day at which an engagement is believed by half: few choose so many with care."""

BUSY_CLOSE: Final = 15.0
"""The same of a newcomer, and of an actor whom the target engages with: bought accounts and pods work through lists."""

STEEPNESS: Final = 4.0
"""
An ordinary day costs nothing (0.99 at ten actions, 0.94 at fifteen), a hundred actions nearly everything (0.01).
Less steep, a thousand accounts of a like farm would still add up to dozens of people.
"""


def _pace(half: float) -> NDArray[np.int64]:
    """Return credit by the place in the actor's day, int64[1 + NTH_LAST + 1], index nth + 1: 1 / (1 + (nth/half)^4)."""
    nth = np.concatenate(([0], np.arange(NTH_LAST + 1))).astype(np.float64)
    pace: NDArray[np.int64] = np.rint(CREDIT_ONE / (1.0 + (nth / half) ** STEEPNESS)).astype(np.int64)
    return pace


_STRANGE, _NEW, _MUTUAL, _RETURNED = range(4)
"""Who acts, as far as credit knows: rows of the tables."""

_CREDIT: Final = np.stack((_pace(BUSY), _pace(BUSY_CLOSE), _pace(BUSY_CLOSE), 0 * _pace(BUSY)))
"""int64[4, places]."""


def _losses() -> NDArray[np.int64]:
    """Return what each signal takes of the credit, int64[4, places, 3]."""
    lost = np.zeros((*_CREDIT.shape, len(SIGNALS)), np.int64)
    strange = _CREDIT[_STRANGE]
    lost[:, :, 0] = CREDIT_ONE - strange
    lost[_NEW, :, 1] = strange - _CREDIT[_NEW]
    lost[_MUTUAL, :, 2] = strange - _CREDIT[_MUTUAL]
    lost[_RETURNED] = 0, 0, CREDIT_ONE
    return lost


_LOST: Final = _losses()

DOUBTED_FROM: Final = int(np.argmax(_CREDIT[_NEW] < DOUBTED)) - 1
"""The least `nth` at which an engagement other than a returned follow may be doubted."""


def credit(
    nth: NDArray[np.int64], age_days: NDArray[np.int64], mutual: NDArray[np.bool_], returned: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """
    Return how far each of m engagements, or of m actors by what they did, is believed.

    Args:
        nth: int64[m], how many actions the actor had made that day; `NO_STAMP` when unknown.
        age_days: int64[m], days since the actor was first seen; `NO_STAMP` when unknown.
        mutual: bool[m], the target engages with the actor, too.
        returned: bool[m], nothing but follows that are mutual.

    Returns:
        int64[m], 0 to `CREDIT_ONE`.
    """
    return _CREDIT[_who(age_days, mutual, returned), _place(nth)]


def losses(
    nth: NDArray[np.int64], age_days: NDArray[np.int64], mutual: NDArray[np.bool_], returned: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """
    Return how much of each actor's credit each signal takes, int64[m, 3] in the order of `SIGNALS`.

    Args: as for `credit`. With it, a row adds up to `CREDIT_ONE`.
    """
    return _LOST[_who(age_days, mutual, returned), _place(nth)]


def _who(age_days: NDArray[np.int64], mutual: NDArray[np.bool_], returned: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the tables' rows; who is new and mutual is named new."""
    new = (age_days >= 0) & (age_days < NEW_DAYS)
    return np.where(returned, _RETURNED, np.where(new, _NEW, mutual * _MUTUAL))


def _place(nth: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(nth, NO_STAMP, NTH_LAST) + 1
